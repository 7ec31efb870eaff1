/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All commands.  main() hands the table to the shell: no command refers to it by name. */
#include <stddef.h>

#include "shell/cmds.h"

/* clang-format off: one a line, so that additions do not collide */
const struct cmd_entry *const cmd_table[] = {
	&cmd_attach,  &cmd_task,     &cmd_run,     &cmd_watch,        &cmd_detach,
	&cmd_kill,    &cmd_rescue,   &cmd_step,    &cmd_next,         &cmd_finish,
	&cmd_until,   &cmd_continue, &cmd_back,    &cmd_reverse_step, &cmd_reverse_continue,
	&cmd_goto,    &cmd_break,    &cmd_tbreak,  &cmd_delete,       &cmd_enable,
	&cmd_disable, &cmd_fault,    &cmd_ignore,  &cmd_commit,       &cmd_handoff,
	&cmd_restart, &cmd_abort,    &cmd_show,    &cmd_why,          &cmd_x,
	&cmd_view,    &cmd_snap,     &cmd_record,  &cmd_open,         &cmd_close,
	&cmd_verify,  &cmd_diff,     &cmd_flatten, &cmd_residue,      &cmd_serve,
	&cmd_explain, &cmd_check,    &cmd_plan,    &cmd_log,          &cmd_report,
	&cmd_set,     &cmd_help,     &cmd_apropos, &cmd_source,       &cmd_history,
	&cmd_alias,   &cmd_echo,     &cmd_shell,   &cmd_pwd,          &cmd_cd,
	&cmd_version, &cmd_quit,     NULL,
};
