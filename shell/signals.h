/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signals by state.  At the prompt ^C clears the line; while a command runs it stops the pipeline
 * before its next unit; SIGTERM and SIGHUP end the shell in an orderly way, so that the target is
 * cured.
 */
#ifndef STEPDUMP_SIGNALS_H
#define STEPDUMP_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct session;

/* interactive: ^C and ^Z as above; otherwise ^C ends the run like SIGTERM, ^Z is left alone. */
void signals_install(bool interactive);
/* A command begins, with the session that ^C interrupts; NULL: it has ended. */
void signals_command(struct session *s);

/* The signal that asks us to leave, or 0. */
int signals_quit(void);
/* Each returns true once after its signal came. */
bool signals_take_int(void);
bool signals_take_tstp(void);
bool signals_take_winch(void);

/* Blocks the signals that the functions above report, so that none comes between asking and
 * waiting.  `old_ret` is the mask for ppoll(), and for signals_unblock(). */
void signals_block(sigset_t *old_ret);
void signals_unblock(const sigset_t *old);

/* Waits until `fd` can be read without blocking; false: a signal asks us to leave.  No signal gets
 * lost between asking and waiting, so a frozen target never hangs on somebody else's pipe. */
bool signals_wait_fd(int fd);
/* Waits for a child of ours.  False, without a status: a signal asks us to leave. */
bool signals_wait_child(pid_t pid, int *status_ret);

#endif
