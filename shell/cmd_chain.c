/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify, diff, flatten: image directories and the chains behind them */
#include <json-c/json.h>
#include <string.h>

#include "engine/session/chain.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "views/reports.h"

static struct pane_opts report_opts(const struct shell *sh, bool verbose)
{
	return (struct pane_opts){
		.ascii = sh->settings.ascii,
		.relative = sh->relative,
		.verbose = verbose,
		.index = -1,
	};
}

/* Takes "-v" and words apart; at most `max` words. */
static struct err *chain_words(const struct cmd_entry *c, const struct args *a, unsigned min,
			       unsigned max, const char **words, unsigned *nr_ret,
			       bool *verbose_ret)
{
	unsigned nr = 0;

	*verbose_ret = false;
	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "-v"))
			*verbose_ret = true;
		else if (nr == max)
			return cmd_usage(c);
		else
			words[nr++] = a->argv[i];
	}
	*nr_ret = nr;
	return nr < min ? cmd_usage(c) : NULL;
}

static struct err *chain_pid(const char *text, pid_t *ret)
{
	uint64_t pid;

	TRY(arg_uint(text, "pid", 1, INT32_MAX, &pid));
	*ret = (pid_t)pid;
	return NULL;
}

/* ---- verify -------------------------------------------------------------------------------- */

static struct err *verify_fatal(const Stepdump__VerifyReport *r)
{
	for (size_t i = 0; i < r->n_findings; i++)
		if (r->findings[i]->fatal)
			return err_new(ERR_CHECK,
				       "%s is not a good image set: %lu fatal finding%s, "
				       "the first in %s: %s",
				       r->dir, r->nr_fatal, r->nr_fatal == 1 ? "" : "s",
				       r->findings[i]->file, r->findings[i]->text);
	if (r->newer)
		return err_hint(err_new(ERR_UNSUPPORTED,
					"%s is not judged, as it is newer than this program: %s",
					r->dir, r->newer),
				"a newer stepdump may know it");
	if (r->nr_unreadable)
		return err_hint(err_new(ERR_CHECK,
					"%s is not judged: this user may not read %lu of its files",
					r->dir, r->nr_unreadable),
				"run it as root, or as the user who made the dump");
	return NULL;
}

static struct err *verify_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__VerifyReport *r;
	const char *words[2];
	unsigned nr = 0;
	pid_t pid = 0;
	bool verbose;
	struct grid g;

	TRY(chain_words(&cmd_verify, a, 1, 2, words, &nr, &verbose));
	if (nr == 2)
		TRY(chain_pid(words[1], &pid));
	struct err *e = session_verify(sh->session, words[0], pid, &r);
	if (e)
		return e;
	out_message(o, &r->base);
	o->complete = true; /* findings are a result */
	if (!o->json) {
		struct pane_opts po = report_opts(sh, verbose);

		grid_init(&g, o->width, 0);
		report_verify(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	e = verify_fatal(r);
	stepdump__verify_report__free_unpacked(r, NULL);
	return e;
}

const struct cmd_entry cmd_verify = {
	.name = "verify",
	.group = GROUP_CHAIN,
	.args = { 1, 3, comp_verify },
	.usage = "[-v] DIR [PID]",
	.summary = "check an image directory and all its parents",
	.help = "Looks for everything that makes CRIU fail, crash, loop or restore wrong "
		"memory: pagemap entries out of order, without flags or outside of private "
		"mappings, a pages file that is too short, an empty pagemap, file ids that "
		"are not defined, holes that no parent covers, however long the chain, pages "
		"that are holes in their file (as auto-dedup leaves them), and of a full "
		"checkpoint every file that CRIU opens to restore it.  Compressed pages (image version 3) are "
		"unpacked, block by block.  It says which CRIU can restore the set, and why not the others.  What CRIU does not mind "
		"is a note: bytes after the last page or entry, damaged statistics, image "
		"version 1; and what would matter only if a parent were restored itself.  "
		"A mapped file that is not on this machine as it was, by size, mode and build id, "
		"is a note: CRIU restores the set only beside the same files.  "
		"With PID, which must be attached, pages - private and shared - and mappings are "
		"also compared with the live process.  -v also lists the mappings that are the same.  A fatal "
		"finding is an error (exit status 1 in scripts); a difference from the live "
		"process is not.",
	.examples = (const struct cmd_example[]){ { "verify %D/v", "", "attach %P; commit %D/v" },
						  { "verify %D/w %P", "and the live process",
						    "attach %P; set thaw off; commit %D/w" },
						  { 0 } },
	.exec = verify_exec,
};

/* ---- diff ---------------------------------------------------------------------------------- */

/* What could be compared is shown; a script must not take it for all. */
static struct err *diff_incomplete(const Stepdump__DiffReport *r)
{
	size_t objects = 0;

	for (size_t i = 0; i < r->n_objects; i++)
		objects += r->objects[i]->trouble != NULL;
	if (!objects)
		return NULL;
	return err_hint(
		err_new(ERR_CHECK,
			"the comparison is not complete: %lu pages of %zu pagemap%s are not "
			"to be had",
			r->unknown, objects, objects == 1 ? "" : "s"),
		"`verify` of each directory says what is wrong with it");
}

static struct err *diff_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__DiffReport *r = NULL;
	const char *words[3];
	unsigned nr = 0;
	pid_t pid = 0;
	bool verbose;
	struct grid g;

	TRY(chain_words(&cmd_diff, a, 2, 3, words, &nr, &verbose));
	if (nr == 3)
		TRY(chain_pid(words[2], &pid));
	struct err *e = session_diff(sh->session, words[0], words[1], pid, &r);
	if (e)
		return e;
	out_message(o, &r->base);
	o->complete = true;
	if (!o->json) {
		struct pane_opts po = report_opts(sh, verbose);

		grid_init(&g, o->width, 0);
		report_diff(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	e = diff_incomplete(r);
	stepdump__diff_report__free_unpacked(r, NULL);
	return e;
}

const struct cmd_entry cmd_diff = {
	.name = "diff",
	.group = GROUP_CHAIN,
	.args = { 2, 4, comp_diff },
	.usage = "[-v] OLD NEW [PID]",
	.summary = "compare the pages of two image directories",
	.help = "Lists, for each mapping, the pages that were added, removed or changed, by "
		"content.  Holes are followed through the parents on either side, so a full "
		"dump can be compared with an incremental one.  With PID, the number in the "
		"file names, only that task is compared.  Of a shared object it is said which "
		"mapping it is.  Where a chain is broken, or a pages file cut, the other pages "
		"are compared all the same, and the exit status is 1.  -v also lists mappings "
		"without a difference.",
	.examples =
		(const struct cmd_example[]){ { "diff %D/a %D/b", "two dumps of one process",
						"attach %P; commit %D/a; restart; commit %D/b" },
					      { 0 } },
	.exec = diff_exec,
};

/* ---- flatten ------------------------------------------------------------------------------- */

static struct err *flatten_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__FlattenReport *r = NULL;
	struct grid g;

	struct err *e = session_flatten(sh->session, a->argv[0], a->argv[1], &r);
	if (e)
		return e;
	out_message(o, &r->base);
	if (!o->json) {
		struct pane_opts po = report_opts(sh, false);

		grid_init(&g, o->width, 0);
		report_flatten(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	stepdump__flatten_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_flatten = {
	.name = "flatten",
	.group = GROUP_CHAIN,
	.args = { 2, 2, comp_flatten },
	.usage = "CHAIN DIR",
	.summary = "merge a chain into one directory without a parent",
	.help = "CHAIN is the newest directory of a chain.  Every hole is replaced by the "
		"pages it stands for, everything else is copied.  DIR appears complete and "
		"checked, or not at all.  A chain of pre-dumps becomes one pre-dump.  The "
		"chain itself is only read.",
	.examples =
		(const struct cmd_example[]){ { "flatten %D/f %D/g", "", "attach %P; commit %D/f" },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_MUTATES,
	.exec = flatten_exec,
};

/* ---- convert ------------------------------------------------------------------------------- */

static struct err *convert_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__FlattenReport *r = NULL;
	const char *words[2], *parent = NULL;
	unsigned nr = 0;
	struct grid g;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--parent") && i + 1 < a->argc)
			parent = a->argv[++i];
		else if (nr == 2)
			return cmd_usage(&cmd_convert);
		else
			words[nr++] = a->argv[i];
	}
	if (nr != 2)
		return cmd_usage(&cmd_convert);
	TRY(session_convert(sh->session, words[0], words[1], parent, &r));
	out_message(o, &r->base);
	if (!o->json) {
		struct pane_opts po = report_opts(sh, false);

		grid_init(&g, o->width, 0);
		report_flatten(r, &po, &g);
		out_grid(o, &g);
		grid_deinit(&g);
	}
	stepdump__flatten_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_convert = {
	.name = "convert",
	.group = GROUP_CHAIN,
	.args = { 2, 4, comp_flatten },
	.usage = "DIR|ARCHIVE NEW [--parent P]",
	.summary = "rewrite a set so that older CRIUs can restore it",
	.help = "NEW gets the same pages in the encoding that every CRIU reads: not compressed, the number of "
		"pages of an entry in both of its fields (CRIU before 4.2 reads one, 4.2 the other), image version "
		"2 with its head magics.  What else a set may have that an older CRIU does not know stays, and is "
		"told.  Holes stay holes, into the same parent, or into P, which for a whole chain is the converted "
		"parent.  NEW appears complete and checked, or not at all.",
	.examples =
		(const struct cmd_example[]){ { "convert %D/c %D/n", "", "attach %P; commit %D/c" },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_MUTATES,
	.exec = convert_exec,
};

/* ---- dump ---------------------------------------------------------------------------------- */

static struct err *dump_exec(struct shell *sh, const struct args *a, struct out *o)
{
	json_object *j = NULL;

	TRY(session_image_json(sh->session, a->argv[0], &j));
	if (o->json)
		out_member(o, "image", json_object_get(j));
	else
		out_printf(o, "%s\n",
			   json_object_to_json_string_ext(
				   j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(j);
	return NULL;
}

const struct cmd_entry cmd_dump_image = {
	.name = "dump",
	.group = GROUP_CHAIN,
	.args = { 1, 1, comp_dump_image },
	.usage = "FILE|DIR|ARCHIVE",
	.summary = "an image of CRIU, or all of a set, as JSON",
	.help = "As `crit decode` shows it: magic and entries, with CRIU's names for what memory needs (inventory, "
		"pstree, core, ids, mm, pagemap, files, memfd, stats); other fields are field_N, by their numbers.  The "
		"name of a file tells its kind.  Of a directory or an archive, all images by name; what cannot be read has "
		"an error instead.  Nothing is dumped of a process: that is `commit`.",
	.examples =
		(const struct cmd_example[]){
			{ "dump %D/j/inventory.img", "", "attach %P; commit %D/j" },
			{ "dump %D/k | grep nr_pages", "", "attach %P; commit %D/k" },
			{ 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = dump_exec,
};

/* ---- core ---------------------------------------------------------------------------------- */

static struct err *core_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__CoreReport *r = NULL;
	pid_t pid;

	TRY(chain_pid(a->argv[1], &pid));
	TRY(session_core(sh->session, a->argv[0], pid, a->argv[2], &r));
	out_message(o, &r->base);
	if (!o->json) {
		out_printf(o, "wrote %s: task %u, %lu mappings, %lu pages, %u thread%s\n", r->file,
			   r->pid, r->vmas, r->pages, r->threads, r->threads == 1 ? "" : "s");
		if (!r->threads)
			out_printf(o,
				   "no registers: the set has memory alone, and a debugger shows "
				   "no stack\n");
	}
	stepdump__core_report__free_unpacked(r, NULL);
	return NULL;
}

const struct cmd_entry cmd_core = {
	.name = "core",
	.group = GROUP_CHAIN,
	.args = { 3, 3, comp_verify },
	.usage = "DIR|ARCHIVE PID FILE",
	.summary = "write a task of an image set as an ELF core for gdb",
	.help = "Memory through parents and shared objects, the registers of all threads (from a "
		"full checkpoint; a set of memory alone has none), the auxiliary vector and the "
		"names of the mapped files: `gdb PROGRAM FILE` shows the backtrace that the "
		"process had.  FILE is as sparse as the memory, readable by its owner alone, and "
		"must not exist.",
	.examples =
		(const struct cmd_example[]){
			{ "core %D/h %P %D/core", "", "attach %P; commit %D/h" }, { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = core_exec,
};
