/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The framework of every test program: tests that register themselves, one main() for all, checks
 * on `struct err *`, waiting, random numbers.  The other checks are cmocka's assert_*().
 *
 *	TEST(name) { ... }                   a test
 *	TEST(name, setup, teardown) { ... }  with something before and after it; NULL: nothing
 *	GROUP(setup, teardown);              once, around all tests of the program
 *
 * PROGRAM PATTERN runs the tests that match.
 */
#ifndef STEPDUMP_TESTS_TEST_H
#define STEPDUMP_TESTS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "tests/lib/random.h"

#define PAGE 4096ul
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define TEST(name_, ...)                                                                           \
	static void name_(void **state);                                                           \
	__attribute__((constructor)) static void register_##name_(void)                            \
	{                                                                                          \
		test_register(#name_, name_, (CMFixtureFunction[2]){ __VA_ARGS__ });               \
	}                                                                                          \
	static void name_(void **state)

#define GROUP(setup_, teardown_)                                                                   \
	__attribute__((constructor)) static void register_group(void)                              \
	{                                                                                          \
		test_register_group(setup_, teardown_);                                            \
	}                                                                                          \
	struct err /* takes the semicolon */

void test_register(const char *name, CMUnitTestFunction test, const CMFixtureFunction fixture[2]);
void test_register_group(CMFixtureFunction setup, CMFixtureFunction teardown);

/* ---- checks ----------------------------------------------------------------------- */

/* Checks that a system call, or anything else that sets errno, succeeds. */
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			perror(#x);                                                                \
			fail_msg("%s:%d: %s", __FILE__, __LINE__, #x);                             \
		}                                                                                  \
	} while (0)

/* No error. */
#define ok(e) ok_at(e, #e, __FILE__, __LINE__)
void ok_at(struct err *e, const char *what, const char *file, int line);

/* An error of this code, and `text` is in its message or its hint.  Takes the error. */
#define fails(e, code, text) fails_at(e, #e, code, text, __FILE__, __LINE__)
void fails_at(struct err *e, const char *what, enum err_code code, const char *text,
	      const char *file, int line);

#define skip_because(why)                                                                          \
	do {                                                                                       \
		print_message("skipped, %s: %s\n", __func__, why);                                 \
		skip();                                                                            \
	} while (0)

/* ---- waiting ---------------------------------------------------------------------- */

/* The time limit for an event: 20 s, SD_PATIENCE=SECONDS on slow machines. */
#define DEADLINE_MS patience_ms()
int patience_ms(void);

uint64_t now_ms(void);
void wait_ms(long ms);

#define wait_until(cond)                                                                           \
	do {                                                                                       \
		uint64_t deadline_ = now_ms() + (uint64_t)DEADLINE_MS;                             \
		while (!(cond)) {                                                                  \
			if (now_ms() > deadline_)                                                  \
				fail_msg("%s:%d: never came: %s", __FILE__, __LINE__, #cond);      \
			wait_ms(1);                                                                \
		}                                                                                  \
	} while (0)

/* ---- files ------------------------------------------------------------------------ */

/* Reads at most len - 1 bytes and ends them with a NUL; false: nothing to be read. */
bool read_text(const char *path, char *buf, size_t len);

#endif
