/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared by the fuzz programs: PROGRAM ROUNDS [FILE...], seeded by SEED (see random.h).  A program
 * that is built with -fsanitize=fuzzer has a main() already: define LIBFUZZER.
 */
#ifndef STEPDUMP_TESTS_FUZZ_H
#define STEPDUMP_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lib/random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program if `ok` does not hold: how a fuzz program fails. */
void require(bool ok, const char *what, const char *text);

/*
 * Calls `round` the given number of times; it returns whether its input was good.  The exit status
 * is 1 unless `min` to `max` percent were: if only one kind came up, half of the code was not
 * tested.
 */
int fuzz_main(int argc, char **argv, bool (*round)(unsigned i), unsigned min, unsigned max);

/* Up to 8 small changes, none of them to the first `keep` bytes; returns the new length. */
size_t fuzz_mutate(uint8_t *buf, size_t keep, size_t len, size_t cap);

/* A file without its first `skip` bytes, malloc'ed; ends the program if nothing is left. */
uint8_t *fuzz_load(const char *path, size_t skip, size_t *len_ret);

#endif
