/* SPDX-License-Identifier: GPL-3.0-or-later */
/* snap save, open, close: snapshots in files */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/session/set_view.h"
#include "proto/recfile.h"
#include "proto/snapfile.h"
#include "shell/cmd.h"
#include "shell/cmds.h"

static struct err *snap_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_ALL | SNAP_RUNS, .raw_bits = true };
	Stepdump__Snapshot *s;

	if (strcmp(a->argv[0], "save"))
		return cmd_usage(&cmd_snap);
	TRY(shell_snap(sh, &req, &s));
	struct err *e = snapfile_save(a->argv[1], s);
	if (!e)
		out_printf(o, "saved %s\n", a->argv[1]);
	shell_snap_free(sh, s);
	return e;
}

const struct cmd_entry cmd_snap = {
	.name = "snap",
	.group = GROUP_LOOK,
	.args = { 2, 2, comp_snap },
	.usage = "save FILE",
	.summary = "save a snapshot of the session to a file",
	.help = "The file holds every structure and the verdicts of all pages, but not the "
		"memory itself.  `open FILE` or `stepdump -S FILE` looks at it, on any "
		"machine.",
	.examples =
		(const struct cmd_example[]){ { "snap save %D/a.snap", "", "attach %P; step 2" },
					      { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = snap_exec,
};

static void close_opened(struct shell *sh)
{
	if (sh->opened)
		stepdump__snapshot__free_unpacked(sh->opened, NULL);
	free(sh->opened_path);
	set_view_close(sh->set);
	sh->opened = NULL;
	sh->opened_path = NULL;
	sh->set = NULL;
}

static struct err *open_set(struct shell *sh, const char *path, uint32_t pid, struct out *o)
{
	struct snap_request req = { .parts = SNAP_ALL | SNAP_RUNS };
	Stepdump__Snapshot *s;
	struct set_view *set;

	TRY(set_view_open(sh->session, path, pid, &set));

	struct err *e = set_view_take(set, &req, &s);

	if (e) {
		set_view_close(set);
		return e;
	}
	shell_close_replay(sh);
	close_opened(sh);
	sh->set = set;
	sh->opened = s;
	sh->opened_path = xstrdup(path);
	sh->x.valid = false;
	out_printf(o, "opened %s: task %u %s, %zu VMAs, %lu pages stored", path, s->target->pid,
		   s->target->comm, s->n_vmas, s->xfer->pages_written);
	if (s->n_parents)
		out_printf(o, ", %zu parent%s", s->n_parents, s->n_parents == 1 ? "" : "s");
	out_printf(o, "\n");
	for (size_t i = 0; i < set_view_nr_about(set); i++)
		out_printf(o, "%s\n", set_view_about(set, i));
	if (s->n_tasks > 1)
		out_printf(o,
			   "%zu tasks: `show tasks` lists them, `open %s PID` looks at another\n",
			   s->n_tasks, path);
	for (size_t i = 0; i < set_view_nr_trouble(set); i++)
		notice(sh, "%s", set_view_trouble(set, i));
	return NULL;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static struct err *open_recording(struct shell *sh, const char *path, struct out *o)
{
	struct session *replay;
	struct replay_status st;
	struct snap_request req = { .parts = SNAP_TARGET | SNAP_CURSOR };
	Stepdump__Snapshot *s;

	TRY(session_replay(path, &replay));
	session_replay_status(replay, &st);
	close_opened(sh);
	shell_close_replay(sh);
	sh->live = sh->session;
	sh->session = replay;
	sh->replay_path = xstrdup(path);
	TRY(snap_take(replay, &req, &s));
	out_printf(o, "opened %s", path);
	if (s->target && s->target->has_pid)
		out_printf(o, ": %u %s", s->target->pid, s->target->comm ? s->target->comm : "");
	out_printf(o, ", a recording of %lu stops", st.stops);
	if (s->host)
		out_printf(o, ", on %s", s->host);
	out_printf(o, "\n");
	if (st.damaged)
		notice(sh, "behind its last stop it is damaged: %s", st.damaged);
	else if (st.cut_short)
		notice(sh, "it ends in the middle of a stop, which is left out");
	out_member(o, "stops", json_object_new_int64((int64_t)st.stops));
	stepdump__snapshot__free_unpacked(s, NULL);
	return NULL;
}

static struct err *open_exec(struct shell *sh, const struct args *a, struct out *o)
{
	Stepdump__Snapshot *s = NULL;
	const char *path = a->argv[0];
	uint64_t pid = 0;

	if (is_directory(path) || a->argc > 1) {
		if (a->argc > 1)
			TRY(arg_uint(a->argv[1], "pid", 1, UINT32_MAX, &pid));
		return open_set(sh, path, (uint32_t)pid, o);
	}
	if (rec_is(path))
		return open_recording(sh, path, o);

	struct err *e = snapfile_load(path, &s);
	if (e && e->code == ERR_FORMAT) {
		if (set_view_is_archive(path)) {
			err_free(e);
			return open_set(sh, path, 0, o);
		}
		/* The other kind of file that people want explained is a log of CRIU. */
		struct err *other = show_log(sh, path, NULL, false, o);

		if (!other) {
			err_free(e);
			return NULL;
		}
		err_free(other);
	}
	TRY(e);
	shell_close_replay(sh);
	close_opened(sh);
	sh->opened = s;
	sh->opened_path = xstrdup(path);
	out_printf(o, "opened %s", path);
	if (s->target && s->target->has_pid)
		out_printf(o, ": %u %s", s->target->pid, s->target->comm ? s->target->comm : "");
	if (s->cursor)
		out_printf(o, ", %s", phase_name(s->cursor->phase));
	if (s->host)
		out_printf(o, ", on %s", s->host);
	out_printf(o, "\n");
	return NULL;
}

const struct cmd_entry cmd_open = {
	.name = "open",
	.group = GROUP_LOOK,
	.args = { 1, 2, comp_file },
	.usage = "DIR|ARCHIVE [PID], or FILE",
	.summary = "look at a set, archive, snapshot, recording or log",
	.help = "DIR is an image set, of stepdump or of any CRIU, with or without parents, also one "
		"that a page server wrote or an old CRIU (image version 1), with compressed pages too (version 3); PID is one of its "
		"tasks, else it is the first.  ARCHIVE is a tar of one, plain or packed by gzip, zstd or "
		"xz, as podman, CRI-O, Kubernetes and containerd export a checkpoint: its checkpoint/ is "
		"found, its config.dump and spec.dump are summed up, and of the pages only those of the "
		"task are unpacked, below $TMPDIR (else /var/tmp) until `close`.  `show tasks`, `vmas`, `pages`, `files`, "
		"`pagemap`, `holes`, `parents`, `shmem`, `stats`, the views, `why ADDR` and "
		"`x ADDR` answer from it; nothing is changed.  FILE is what `snap save` or "
		"`record` wrote.  `show` and `why` then answer from the file; commands that change something are "
		"refused until `close`.  An attached target stays as it is.  In a recording "
		"(`help record`) the commands that run and go back work too, and breakpoints.  A log "
		"of CRIU is explained as by `log FILE`.",
	.examples =
		(const struct cmd_example[]){
			{ "open %D/b.snap", "", "attach %P; step 2; snap save %D/b.snap" },
			{ "open %D/o", "an image set", "attach %P; commit %D/o" },
			{ "open %D/o.tar.gz", "an archive of it",
			  "attach %P; commit %D/q; shell tar -C %D -czf %D/o.tar.gz q" },
			{ 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = open_exec,
};

static struct err *close_exec(struct shell *sh, const struct args *a, struct out *o)
{
	if (!sh->opened && !session_is_replay(sh->session))
		return err_new(ERR_STATE, "neither a set, a snapshot nor a recording is open");
	close_opened(sh);
	shell_close_replay(sh);
	return NULL;
}

const struct cmd_entry cmd_close = {
	.name = "close",
	.group = GROUP_LOOK,
	.args = { 0, 0, NULL },
	.usage = "",
	.summary = "go back from a file to the live session",
	.help = "See `open`.",
	.examples =
		(const struct cmd_example[]){
			{ "close", "", "attach %P; snap save %D/c.snap; open %D/c.snap" }, { 0 } },
	.flags = CMD_NO_REPEAT,
	.exec = close_exec,
};
