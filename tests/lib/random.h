/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reproducible random numbers.  The seed is fixed unless SEED=N in the environment says otherwise
 * (`make stress` does); it is printed when the first number is drawn.
 */
#ifndef STEPDUMP_TESTS_RANDOM_H
#define STEPDUMP_TESTS_RANDOM_H

#include <stdint.h>

uint64_t rnd64(void);
uint64_t rnd(uint64_t below); /* 0 to below - 1; 0 if below is 0 */

/* Starts over from a seed of the caller's own, silently. */
void rnd_seed(uint64_t seed);

/* How often something random is repeated: `n` times, or STRESS=N times as often. */
unsigned rounds(unsigned n);

#endif
