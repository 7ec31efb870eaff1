/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which command a word means must not depend on the order of the table: every look-up is tried on
 * tables in many orders.  The table itself keeps the promises of help and the man page.
 */
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/dispatch.h"
#include "shell/lookup.h"
#include "shell/topics.h"

#include "tests/lib/test.h"

#define ORDERS 50
#define MAX_COMMANDS 100

static const struct cmd_entry *shuffled[MAX_COMMANDS];
static struct alias_list aliases;

static unsigned nr_commands(void)
{
	unsigned n = 0;

	while (cmd_table[n])
		n++;
	return n;
}

static void shuffle(unsigned seed)
{
	unsigned n = nr_commands();

	assert_in_range(n, 30, MAX_COMMANDS - 1);
	memcpy(shuffled, cmd_table, (n + 1) * sizeof(shuffled[0]));
	rnd_seed(seed);
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned j = (unsigned)rnd(i + 1);
		const struct cmd_entry *c = shuffled[i];

		shuffled[i] = shuffled[j];
		shuffled[j] = c;
	}
}

/* Name of the command, "=text" of the alias, or "!message (hint)". */
static const char *look(const char *word)
{
	static char buf[300];
	const struct cmd_entry *c;
	const struct user_alias *a;
	struct err *e = cmd_lookup(shuffled, &aliases, word, strlen(word), &c, &a);

	if (e) {
		assert_int_equal(e->code, ERR_USAGE);
		snprintf(buf, sizeof(buf), "!%s (%s)", e->msg, e->hint ? e->hint : "");
		err_free(e);
	} else {
		assert_true(!c != !a);
		snprintf(buf, sizeof(buf), "%s%s", a ? "=" : "", a ? a->text : c->name);
	}
	return buf;
}

TEST(words_in_any_order)
{
	static const char *const wanted[][2] = {
		{ "step", "step" },
		{ "s", "step" },
		{ "n", "next" },
		{ "c", "continue" },
		{ "sh", "show" },
		{ "info", "show" },
		{ "x", "x" },
		{ "b", "break" },
		{ "exit", "quit" },
		{ "inf", "show" },
		{ "cont", "continue" },
		{ "!", "shell" },
		{ "tb", "tbreak" },
		{ "d", "delete" },
		{ "det", "detach" },
		{ "f", "finish" },
		{ "co", "!ambiguous command \"co\": commands, commit, continue, convert, core ()" },
		{ "re",
		  "!ambiguous command \"re\": record, report, rescue, residue, restart, reverse-continue, "
		  "reverse-step ()" },
		{ "drian", "!unknown command \"drian\" (`help` lists the commands)" },
		{ "setp", "!unknown command \"setp\" (did you mean \"set\"?)" },
		{ "commti", "!unknown command \"commti\" (did you mean \"commit\"?)" },
		{ "", "!unknown command \"\" (`help` lists the commands)" },
	};

	for (unsigned seed = 1; seed <= ORDERS; seed++) {
		shuffle(seed);
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			assert_string_equal(look(wanted[i][0]), wanted[i][1]);
	}
}

TEST(user_aliases_come_third)
{
	shuffle(1);
	alias_set(&aliases, "v", "echo v");
	alias_set(&aliases, "s", "echo never");
	alias_set(&aliases, "stats", "show stats");
	assert_string_equal(look("v"), "=echo v");        /* before any prefix */
	assert_string_equal(look("s"), "step");           /* behind a built-in short name */
	assert_string_equal(look("stat"), "=show stats"); /* as a prefix like any name */
	assert_string_equal(look("st"), "!ambiguous command \"st\": stats, step, strings ()");
	alias_set(&aliases, "v", "echo w");
	assert_string_equal(look("v"), "=echo w");
	alias_set(&aliases, "v", NULL);
	assert_string_equal(look("v"), "!ambiguous command \"v\": verify, version, view ()");
	alias_deinit(&aliases);
	assert_int_equal(aliases.nr, 0);
}

TEST(lines_resolve)
{
	struct resolved r;

	ok(line_resolve(cmd_table, NULL, "  x/4w $sp", &r));
	assert_string_equal(r.cmd->name, "x");
	assert_string_equal(r.mod, "4w");
	resolved_deinit(&r);
	ok(line_resolve(cmd_table, NULL, " # nothing", &r));
	assert_null(r.cmd);
	resolved_deinit(&r);
	struct err *e = line_resolve(cmd_table, NULL, "step/4 2", &r);
	assert_non_null(e);
	err_free(e);
	e = line_resolve(cmd_table, NULL, "| wc", &r);
	assert_non_null(e);
	err_free(e);
	alias_set(&aliases, "iv", "show iovs");
	ok(line_resolve(cmd_table, &aliases, "iv 3 | wc", &r));
	assert_string_equal(r.cmd->name, "show");
	assert_string_equal(r.text, "show iovs 3 | wc");
	resolved_deinit(&r);
	alias_deinit(&aliases);
}

TEST(the_table_keeps_its_promises)
{
	for (const struct cmd_entry *const *c = cmd_table; *c; c++) {
		assert_true(strlen((*c)->summary) <= 60);
		assert_true((*c)->summary[strlen((*c)->summary) - 1] != '.');
		assert_true(strlen((*c)->help) > 0);
		assert_non_null((*c)->exec);
		assert_true((*c)->args.min <= (*c)->args.max);
		assert_in_range((*c)->group, 0, NR_GROUPS - 1);
		/* Enter never repeats a command that changes a process, except for the run
		 * commands. */
		if ((*c)->flags & CMD_MUTATES && (*c)->group != GROUP_RUN)
			assert_true((*c)->flags & CMD_NO_REPEAT);
		for (const struct cmd_entry *const *d = cmd_table; *d; d++) {
			if (c == d)
				continue;
			assert_string_not_equal((*c)->name, (*d)->name);
			assert_false(word_in_list((*d)->aliases, (*c)->name, strlen((*c)->name)));
			for (const char *a = (*c)->aliases; a && *a;) {
				size_t n = strcspn(a, " ");

				assert_false(word_in_list((*d)->aliases, a, n));
				a += n + (a[n] == ' ');
			}
		}
	}
	for (const struct help_topic *t = help_topics; t->name; t++)
		assert_true(strlen(t->summary) <= 60);
	for (const struct opt_desc *d = opt_descs; d->name; d++)
		assert_true(strlen(d->summary) <= 60);
	for (const struct opt_desc *d = setting_descs; d->name; d++)
		assert_true(strlen(d->summary) <= 60);
}

TEST(distances)
{
	assert_int_equal(edit_distance("step", "step"), 0);
	assert_int_equal(edit_distance("step", "setp"), 1);
	assert_int_equal(edit_distance("brake", "break"), 2);
	assert_int_equal(edit_distance("", "abc"), 3);
	assert_int_equal(edit_distance("abcdefghijklmnopqrstuvwxyz", "a"), 9);
}
