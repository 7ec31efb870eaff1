/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The keeper's program, which engine/target/keeper.h starts. */
#ifndef STEPDUMP_KEEPER_MAIN_H
#define STEPDUMP_KEEPER_MAIN_H

#include <sys/types.h>

/* Serves until `sock` closes, then puts back every task that it holds.  Never returns. */
_Noreturn void keeper_main(int sock, int event_sock, pid_t client);

#endif
