/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All commands, each defined in its cmd_*.c, and the table of them. */
#ifndef STEPDUMP_CMDS_H
#define STEPDUMP_CMDS_H

#include <stdbool.h>

#include "base/err.h"

struct cmd_entry;
struct out;
struct shell;

/* Ends with NULL. */
extern const struct cmd_entry *const cmd_table[];

extern const struct cmd_entry cmd_attach, cmd_task, cmd_run, cmd_watch, cmd_detach, cmd_kill,
	cmd_rescue;
extern const struct cmd_entry cmd_step, cmd_next, cmd_finish, cmd_until, cmd_continue;
extern const struct cmd_entry cmd_back, cmd_reverse_step, cmd_reverse_continue, cmd_goto;
extern const struct cmd_entry cmd_break, cmd_tbreak, cmd_delete, cmd_enable, cmd_disable,
	cmd_ignore, cmd_fault;
extern const struct cmd_entry cmd_commit, cmd_restart, cmd_abort, cmd_handoff;
extern const struct cmd_entry cmd_show, cmd_why, cmd_x, cmd_view, cmd_snap, cmd_open, cmd_close;
extern const struct cmd_entry cmd_find, cmd_strings, cmd_core, cmd_convert, cmd_dump_image;
extern const struct cmd_entry cmd_verify, cmd_diff, cmd_flatten, cmd_serve;
extern const struct cmd_entry cmd_record, cmd_print, cmd_display, cmd_undisplay;
extern const struct cmd_entry cmd_watchpoint, cmd_unwatch, cmd_commands, cmd_save, cmd_define,
	cmd_call;
extern const struct cmd_entry cmd_explain, cmd_check, cmd_plan, cmd_log, cmd_residue, cmd_report;
extern const struct cmd_entry cmd_set, cmd_help, cmd_apropos, cmd_source, cmd_history, cmd_alias;
extern const struct cmd_entry cmd_tour, cmd_exercise, cmd_answer, cmd_hint, cmd_demo;
extern const struct cmd_entry cmd_echo, cmd_shell, cmd_pwd, cmd_cd, cmd_version, cmd_quit;

/* What `log` prints, for `open` of a log (cmd_diagnose.c). */
struct err *show_log(struct shell *sh, const char *path, const char *images, bool verbose,
		     struct out *o) __attribute__((warn_unused_result));

/* "criu would fail here: ...", at the gate and of a commit; nothing if there is nothing. */
void tell_preflight(struct shell *sh, struct out *o);
/* "not in this set: ...", at the gate and after a commit: memory that is in files. */
void tell_elsewhere(struct shell *sh, struct out *o);
/* "2 findings: `check`", after an attach; nothing if there are none. */
void tell_findings(struct shell *sh, struct out *o);

#endif
