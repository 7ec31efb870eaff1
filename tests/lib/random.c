/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/random.h"

#define FIXED_SEED 20261126

static uint64_t state;
static bool seeded;

void rnd_seed(uint64_t seed)
{
	state = seed;
	seeded = true;
}

uint64_t rnd64(void) /* splitmix64 */
{
	if (!seeded) {
		const char *seed = getenv("SEED");

		rnd_seed(seed ? strtoull(seed, NULL, 0) : FIXED_SEED);
		printf("SEED=%lu\n", state);
		fflush(stdout);
	}
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t rnd(uint64_t below)
{
	uint64_t x = rnd64();

	return below ? x % below : 0;
}

unsigned rounds(unsigned n)
{
	const char *stress = getenv("STRESS");

	return stress ? n * (unsigned)strtoul(stress, NULL, 0) : n;
}
