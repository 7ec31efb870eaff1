/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report: one file that says all of this stop, for a bug report */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/session/diagnose.h"
#include "proto/json.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/version.h"
#include "views/panes.h"
#include "views/reports.h"

#define REPORT_WIDTH 100u
#define REPORT_BYTES 256u

/* In the order in which a reader wants them. */
static const char *const sections[] = { "error", "target", "pipeline", "cursor",  "ppb",
					"iovs",  "xfer",   "parents",  "tracker", "checks",
					"stats", "events", "vmas",     "threads" };
/* What there is without a target. */
static const char *const machine[] = { "settings", "caps" };

struct report_file {
	FILE *f;
	const Stepdump__Snapshot *s;
	struct pane_opts opts;
};

static void report_head(struct report_file *r, const char *title)
{
	fprintf(r->f, "\n== %s ==\n\n", title);
}

static void report_grid(struct report_file *r, const struct grid *g)
{
	AUTO_FREE char *text = grid_to_text(g);

	fputs(text ?: "", r->f);
}

static void report_pane(struct report_file *r, const char *name)
{
	const struct pane *p = pane_find(name);
	struct grid g;

	if (!p)
		return;
	report_head(r, p->name);
	grid_init(&g, REPORT_WIDTH, 0);
	pane_render(p, r->s, &r->opts, &g);
	report_grid(r, &g);
	grid_deinit(&g);
}

static void report_origin(struct report_file *r, bool secrets, bool bytes)
{
	char when[40] = "?";
	time_t now = time(NULL);
	struct tm tm;
	struct utsname u;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(r->f, "stepdump report, %s\n\nstepdump  %s\n", when, STEPDUMP_VERSION);
	if (!uname(&u))
		fprintf(r->f, "kernel    %s %s %s\n", u.sysname, u.release, u.machine);
	fprintf(r->f, "snapshot  %s\n",
		r->s->target && r->s->target->has_pid ? "of the stop described below" :
							"no target is attached");
	fprintf(r->f,
		"contains  names of processes and of mapped files, addresses%s%s\n"
		"lacks     %s%senvironment, the lines that were typed, the name of the host\n",
		secrets ? ", command lines" : "", bytes ? ", bytes of memory" : "",
		bytes ? "" : "contents of memory, ", secrets ? "" : "command lines, ");
}

/* What `check` says of the tasks that are attached. */
static json_object *report_findings(struct shell *sh, struct report_file *r)
{
	Stepdump__CheckReport *c;
	struct err *e = sh->opened ? err_new(ERR_STATE, "a saved snapshot is open") :
				     session_check_target(sh->session, &c);
	struct grid g;

	if (e) {
		err_free(e);
		return NULL;
	}
	report_head(r, "findings");
	grid_init(&g, REPORT_WIDTH, 0);
	report_check(c, &r->opts, &g);
	report_grid(r, &g);
	grid_deinit(&g);

	json_object *o = pb_to_json(&c->base);

	stepdump__check_report__free_unpacked(c, NULL);
	return o;
}

static void hide(char **text)
{
	free(*text);
	*text = NULL;
}

/* A packed copy without what is nobody's business. */
static Stepdump__Snapshot *report_copy(const Stepdump__Snapshot *s, bool secrets)
{
	size_t len = stepdump__snapshot__get_packed_size(s);
	AUTO_FREE uint8_t *buf = xzalloc(len);
	Stepdump__Snapshot *copy;

	stepdump__snapshot__pack(s, buf);
	copy = stepdump__snapshot__unpack(NULL, len, buf);
	if (!copy)
		abort();
	hide(&copy->host);
	if (!secrets && copy->target)
		hide(&copy->target->cmdline);
	if (!secrets && copy->watch)
		hide(&copy->watch->cmdline);
	return copy;
}

static void report_json(struct report_file *r, json_object *findings)
{
	json_object *o = json_object_new_object();

	report_head(r, "json");
	json_object_object_add(o, "version", json_object_new_string(STEPDUMP_VERSION));
	json_object_object_add(o, "snapshot", pb_to_json(&r->s->base));
	if (findings)
		json_object_object_add(o, "findings", findings);
	fprintf(r->f, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static char *report_text(struct shell *sh, const Stepdump__Snapshot *taken, bool secrets,
			 size_t *len_ret)
{
	Stepdump__Snapshot *s = report_copy(taken, secrets);
	struct report_file r = { .s = s, .opts = { .ascii = true, .index = -1 } };
	json_object *findings;
	char *text = NULL;

	r.f = open_memstream(&text, len_ret);
	if (!r.f)
		abort();
	report_origin(&r, secrets, s->n_peeks > 0);
	if (s->error && (!s->target || !s->target->has_pid))
		report_pane(&r, "error");
	if (s->target && s->target->has_pid)
		for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++)
			report_pane(&r, sections[i]);
	if (s->n_peeks)
		report_pane(&r, "peek");
	findings = report_findings(sh, &r);
	for (size_t i = 0; i < sizeof(machine) / sizeof(*machine); i++)
		report_pane(&r, machine[i]);
	report_json(&r, findings);
	if (fclose(r.f))
		abort();
	stepdump__snapshot__free_unpacked(s, NULL);
	return text;
}

static struct err *report_write(const char *path, const char *text, size_t len)
{
	AUTO_CLOSE int fd = create_private(AT_FDCWD, path, O_WRONLY | O_EXCL);

	if (fd < 0)
		return err_hint(err_sys(errno, "create %s", path),
				errno == EEXIST ?
					"no file is overwritten: choose another name" :
					"choose a file in a directory where you may write");
	if (write_full(fd, text, len) >= 0)
		return NULL;

	struct err *e = err_sys(errno, "write %s", path);

	unlink(path);
	return e;
}

static struct err *report_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct snap_request req = { .parts = SNAP_ALL, .events_max = 256 };
	const char *path = NULL;
	bool secrets = false;
	Stepdump__Snapshot *s;
	size_t len;

	for (unsigned i = 0; i < a->argc; i++) {
		if (!strcmp(a->argv[i], "--secrets")) {
			secrets = true;
		} else if (!strcmp(a->argv[i], "--bytes") && i + 1 < a->argc) {
			TRY(arg_addr(sh, a->argv[++i], &req.peek.vaddr));
			req.peek.len = REPORT_BYTES;
			req.parts |= SNAP_PEEK;
		} else if (path || *a->argv[i] == '-') {
			return cmd_usage(&cmd_report);
		} else {
			path = a->argv[i];
		}
	}
	if (!path)
		return cmd_usage(&cmd_report);
	TRY(shell_snap(sh, &req, &s));

	AUTO_FREE char *text = report_text(sh, s, secrets, &len);

	shell_snap_free(sh, s);
	TRY(report_write(path, text, len));
	out_member(o, "file", json_object_new_string(path));
	out_printf(o, "wrote %s: %zu bytes; read it before you send it\n", path, len);
	return NULL;
}

const struct cmd_entry cmd_report = {
	.name = "report",
	.group = GROUP_DIAGNOSE,
	.args = { 1, 4, comp_file },
	.usage = "FILE [--secrets] [--bytes ADDR]",
	.summary = "write all that is known of this stop to a file",
	.help = "One text file: versions, the last error, target, pipeline, structures, events, mappings, what "
		"`check` finds, settings, what this machine can do; and last all of it as one line of JSON. "
		"It works at every stop, also after a failure, without a target, and on an opened "
		"snapshot. FILE must not exist; it is readable by you alone. Contents of memory are left out (--bytes "
		"adds 256 bytes from ADDR on), and so are command lines (--secrets adds them), environment, "
		"typed lines and the name of the host; names of mapped files are in it.",
	.examples = (const struct cmd_example[]){ { "report %D/bug.txt", "", "attach %P; step 3" },
						  { "report %D/machine.txt", "no target", "" },
						  { 0 } },
	.flags = CMD_NO_REPEAT | CMD_WRITES,
	.exec = report_exec,
};
