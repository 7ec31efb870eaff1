/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What several unit tests share: verdicts on `struct err *`, random numbers with a printed seed. */
#ifndef STEPDUMP_TESTS_UNIT_H
#define STEPDUMP_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/err.h"

#define PAGE 4096ul
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			perror(#x);                                                                \
			fail_msg("%s:%d: %s", __FILE__, __LINE__, #x);                             \
		}                                                                                  \
	} while (0)

static inline void ok_at(struct err *e, const char *file, int line)
{
	if (!e)
		return;
	char *text = err_text(e);

	print_error("%s:%d: unexpected: %s\n", file, line, text ? text : e->msg);
	free(text);
	err_free(e);
	_fail(file, line);
}
#define ok(e) ok_at(e, __FILE__, __LINE__)

/* The error has this code, and its message contains `text`. */
static inline void fails_at(struct err *e, enum err_code code, const char *text, const char *file,
			    int line)
{
	if (!e) {
		print_error("%s:%d: no error, wanted \"%s\"\n", file, line, text);
		_fail(file, line);
	}
	if (e->code != code || !strstr(e->msg, text)) {
		print_error("%s:%d: %s error \"%s\", wanted %s \"%s\"\n", file, line,
			    err_code_name(e->code), e->msg, err_code_name(code), text);
		_fail(file, line);
	}
	err_free(e);
}
#define fails(e, code, text) fails_at(e, code, text, __FILE__, __LINE__)

static uint64_t rnd_state;

/* Call it once; SEED=N in the environment repeats a run. */
static inline void rnd_init(void)
{
	const char *seed = getenv("SEED");
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	rnd_state = seed ? strtoull(seed, NULL, 0) :
			   (uint64_t)ts.tv_nsec * 1000003u + (uint64_t)ts.tv_sec;
	printf("SEED=%llu\n", (unsigned long long)rnd_state);
	fflush(stdout);
}

static inline uint64_t rnd(uint64_t below)
{
	uint64_t x = rnd_state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % below;
}

#endif
