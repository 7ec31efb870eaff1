/* SPDX-License-Identifier: GPL-3.0-or-later */
/* record: the session goes into a file, stop by stop */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/format.h"

#define DEFAULT_MAX (256ul << 20)
#define DEFAULT_RUN_BYTES 32
#define MAX_RUN_BYTES 4096

static struct err *record_every(const char *text, enum record_every *ret)
{
	static const char *const names[] = {
		[RECORD_UNITS] = "unit", [RECORD_PHASES] = "phase", [RECORD_STOPS] = "stop"
	};

	for (unsigned i = 0; text && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum record_every)i;
			return NULL;
		}
	return err_hint(err_new(ERR_USAGE, "--every %s", text ? text : "what?"),
			"unit, phase or stop");
}

/* "64M", "1G", "4096" */
static struct err *record_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	char *end;
	uint64_t n = text ? strtoull(text, &end, 10) : 0;
	const char *u = n && *end ? strchr(units, *end) : NULL;

	if (!n || (*end && (!u || end[1])))
		return err_hint(err_new(ERR_USAGE, "--max %s", text ? text : "how much?"),
				"a size: 64M, 1G");
	*ret = u ? mul_sat(n, 1ul << (10 * (u - units + 1))) : n;
	return NULL;
}

static struct err *record_bytes(const char *text, uint32_t *ret)
{
	uint64_t n;

	TRY(arg_uint(text, "number of bytes", 1, MAX_RUN_BYTES, &n));
	*ret = (uint32_t)n;
	return NULL;
}

static struct err *record_status(struct shell *sh, struct out *o)
{
	struct record_status st;
	struct replay_status re;
	char size[24], max[24];

	if (session_is_replay(sh->session)) {
		session_replay_status(sh->session, &re);
		out_printf(o, "%s: stop %lu of %lu\n", sh->replay_path, re.stop + 1, re.stops);
		out_member(o, "stop", json_object_new_int64((int64_t)re.stop + 1));
		out_member(o, "stops", json_object_new_int64((int64_t)re.stops));
		return NULL;
	}
	session_record_status(sh->session, &st);
	out_member(o, "on", json_object_new_boolean(st.on));
	if (!st.path) {
		out_printf(o, "nothing is recorded\n");
		return NULL;
	}
	format_bytes(st.bytes, size, sizeof(size));
	format_bytes(st.max_bytes, max, sizeof(max));
	out_member(o, "file", json_object_new_string(st.path));
	out_member(o, "stops", json_object_new_int64((int64_t)st.stops));
	out_member(o, "bytes", json_object_new_int64((int64_t)st.bytes));
	out_printf(o, "%s %s: %lu stops, %s of %s", st.on ? "recording to" : "recorded to", st.path,
		   st.stops, size, max);
	if (st.ended)
		out_printf(o, "; it ended by itself: %s", st.ended);
	out_printf(o, "\n");
	return NULL;
}

static struct err *record_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct record_opts opts = { .max_bytes = DEFAULT_MAX, .run_bytes = DEFAULT_RUN_BYTES };
	const char *file = NULL;

	if (!a->argc)
		return record_status(sh, o);
	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--no-bytes"))
			opts.run_bytes = 0;
		else if (!strcmp(a->argv[i], "--bytes") && i + 1 < a->argc)
			TRY(record_bytes(a->argv[++i], &opts.run_bytes));
		else if (!strcmp(a->argv[i], "--every"))
			TRY(record_every(i + 1 < a->argc ? a->argv[++i] : NULL, &opts.every));
		else if (!strcmp(a->argv[i], "--max"))
			TRY(record_size(i + 1 < a->argc ? a->argv[++i] : NULL, &opts.max_bytes));
		else if (file || *a->argv[i] == '-')
			return cmd_usage(&cmd_record);
		else
			file = a->argv[i];
	}
	if (!file)
		return cmd_usage(&cmd_record);
	if (!strcmp(file, "off")) {
		TRY(session_record_end(sh->session));
		return record_status(sh, o);
	}
	TRY(session_record(sh->session, file, &opts));
	out_printf(o, "recording to %s%s\n", file,
		   opts.run_bytes ? ", with bytes of memory (--no-bytes leaves them out)" : "");
	return NULL;
}

static void comp_record(struct shell *sh, const struct cword *w, struct complist *l)
{
	if (w->argn && !strcmp(w->argv[w->argn - 1], "--every")) {
		complist_add(l, w, "unit", "each unit");
		complist_add(l, w, "phase", "each change of phase");
		complist_add(l, w, "stop", "where a command ends");
		return;
	}
	complist_add(l, w, "--no-bytes", "without bytes of memory");
	complist_add(l, w, "--bytes", "so many of each run");
	complist_add(l, w, "--every", "unit, phase or stop");
	complist_add(l, w, "--max", "size of the file");
	if (!w->argn)
		complist_add(l, w, "off", "end it");
	comp_file(sh, w, l);
}

const struct cmd_entry cmd_record = {
	.name = "record",
	.aliases = "rec",
	.group = GROUP_LOOK,
	.args = { 0, 8, comp_record },
	.usage = "[FILE [--bytes N | --no-bytes] [--every unit|phase|stop] [--max SIZE] | off]",
	.summary = "record the dump, to be replayed on any machine",
	.help = "From now on every stop goes into FILE, which must not exist: all structures, why for "
		"each run of pages, and its first 32 bytes (--bytes N).  `stepdump -S FILE`, or `open FILE`, plays it: step, "
		"next, finish, continue, back, goto, breakpoints, show, why, x and the views work as on the "
		"live dump, without the process, root, or this kernel.  A criu that is watched can be recorded "
		"too.\n\n"
		"Each unit is a stop, so a run does one by one; with --every phase it stops where a phase "
		"begins, with --every stop where a command ends.  The recording ends before FILE gets larger "
		"than SIZE (256M), and where it cannot be written; the dump goes on.  FILE is for its owner "
		"only (0600): the bytes are memory of the process, and --no-bytes leaves them out.  `record` "
		"alone says how much there is, `record off` ends it.",
	.examples =
		(const struct cmd_example[]){
			{ "record %D/dump.rec", "", "attach %P" },
			{ "record %D/small.rec --no-bytes --every phase --max 1M", "",
			  "attach %P" },
			{ "record off", "", "attach %P; record %D/b.rec; next 20" },
			{ 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = record_exec,
};
