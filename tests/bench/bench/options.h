/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options of both benchmarks, and how they end. */
#ifndef STEPDUMP_BENCH_OPTIONS_H
#define STEPDUMP_BENCH_OPTIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "base/err.h"

#define MAX_ROUNDS 100u

struct bench_options {
	unsigned rounds;
	uint64_t mib;
	const char *tmpfs, *disk;
	const char *only; /* a load; NULL: all */
	bool json;
	unsigned seed;
};

/* `rounds`: the default.  Prints the usage and exits with 2 if it cannot be parsed. */
void bench_options(int argc, char **argv, unsigned rounds, struct bench_options *o);

/* Says what went wrong and exits with 1. */
noreturn void bench_die(struct err *e);

#endif
