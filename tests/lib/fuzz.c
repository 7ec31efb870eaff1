/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fuzz.h"

void require(bool ok, const char *what, const char *text)
{
	if (ok)
		return;
	fprintf(stderr, "violated: %s: %s\n", what, text);
	abort();
}

int fuzz_main(int argc, char **argv, bool (*round)(unsigned i), unsigned min, unsigned max)
{
	unsigned nr = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 0, good = 0;

	if (!nr) {
		fprintf(stderr, "usage: [SEED=N] %s ROUNDS [FILE...]\n", argv[0]);
		return 2;
	}
	for (unsigned i = 0; i < nr; i++)
		good += round(i);
	printf("%u rounds, %u with good input\n", nr, good);
	return good >= (uint64_t)nr * min / 100 && good <= (uint64_t)nr * max / 100 ? 0 : 1;
}

size_t fuzz_mutate(uint8_t *buf, size_t keep, size_t len, size_t cap)
{
	for (unsigned n = (unsigned)rnd(8); n && len > keep + 1; n--) {
		size_t at = keep + rnd(len - keep), from = keep + rnd(len - keep), nr = 1 + rnd(32);

		switch (rnd(6)) {
		case 0:
			buf[at] ^= (uint8_t)(1u << rnd(8));
			break;
		case 1:
			buf[at] = (uint8_t)rnd64();
			break;
		case 2: /* varints of all lengths begin with such a byte */
			buf[at] = rnd(2) ? 0xff : 0;
			break;
		case 3: /* a piece twice */
			nr = nr < len - from ? nr : len - from;
			if (len + nr <= cap) {
				memmove(buf + at + nr, buf + at, len - at);
				memmove(buf + at, buf + from, nr);
				len += nr;
			}
			break;
		case 4: /* a piece less */
			nr = nr < len - at ? nr : len - at;
			memmove(buf + at, buf + at + nr, len - at - nr);
			len -= nr;
			break;
		default: /* cut, but not often, as little is left then */
			if (!rnd(4))
				len = at + 1;
		}
	}
	return len;
}

uint8_t *fuzz_load(const char *path, size_t skip, size_t *len_ret)
{
	FILE *f = fopen(path, "re");
	uint8_t *buf = NULL;
	size_t len = 0, cap = 0, n = 1;

	for (; f && n; len += n) {
		if (len == cap) {
			cap = cap ? cap * 2 : 65536;
			buf = realloc(buf, cap);
			if (!buf)
				abort();
		}
		n = fread(buf + len, 1, cap - len, f);
	}
	if (f)
		fclose(f);
	if (len <= skip) {
		fprintf(stderr, "%s: nothing to read\n", path);
		exit(2);
	}
	memmove(buf, buf + skip, len - skip);
	*len_ret = len - skip;
	return buf;
}
