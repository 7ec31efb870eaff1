/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables, JSON, and the limits that the results have to keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench/bench.h"

#define RATIO_LIMIT 1.05
#define PEAK_LIMIT_MIB 64
/* The bare loop against the fastest write() of as many bytes: nothing can be faster than that, and
 * a loop that is much slower was held up by something that is not its own. */
#define SANE_LEAST 0.9
#define SANE_MOST 3.0

#define F(name) offsetof(struct sample, name)

static const struct {
	const char *name;
	size_t field;
} times[] = {
	{ "main", F(main) },   { "scan", F(scan) },       { "drain", F(drain) },
	{ "write", F(write) }, { "frozen", F(frozen) },   { "attach", F(attach) },
	{ "smaps", F(smaps) }, { "prepare", F(prepare) }, { "commit", F(commit) },
	{ "total", F(total) }, { "delay", F(delay) },
};

#define NR_TIMES (sizeof(times) / sizeof(times[0]))

static uint64_t field_of(const struct sample *s, size_t field)
{
	return *(const uint64_t *)((const char *)s + field);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The series' values, sorted. */
static unsigned sorted(const struct series *s, size_t field, uint64_t v[MAX_ROUNDS])
{
	for (unsigned i = 0; i < s->nr; i++)
		v[i] = field_of(&s->s[i], field);
	qsort(v, s->nr, sizeof(v[0]), by_value);
	return s->nr;
}

static double median(const struct series *s, size_t field)
{
	uint64_t v[MAX_ROUNDS];
	unsigned n = sorted(s, field, v);

	return n ? ((double)v[(n - 1) / 2] + (double)v[n / 2]) / 2 : 0;
}

static double least(const struct series *s, size_t field)
{
	uint64_t v[MAX_ROUNDS];

	return sorted(s, field, v) ? (double)v[0] : 0;
}

static double most(const struct series *s, size_t field)
{
	uint64_t v[MAX_ROUNDS];
	unsigned n = sorted(s, field, v);

	return n ? (double)v[n - 1] : 0;
}

static const struct series *series_of(const struct results *r, unsigned l, unsigned o, unsigned m)
{
	return &r->series[l][m == MEMCPY ? 0 : o][m]; /* copying knows no file system */
}

/* "-" for what does not apply. */
static void cell(double v, int digits)
{
	if (v > 0)
		printf("%9.*f", digits, v);
	else
		printf("%9s", "-");
}

static void method_row(const struct results *r, unsigned l, unsigned o, unsigned m)
{
	const struct series *s = series_of(r, l, o, m), *bare = series_of(r, l, o, BARE);
	double med = median(s, F(main));
	double other = med - median(s, F(scan)) - median(s, F(drain)) - median(s, F(write));

	if (!s->nr)
		return;
	printf("  %-17s", method_names[m]);
	cell(med / 1e3, 1);
	cell(least(s, F(main)) / 1e3, 1);
	cell(med * 1e3 / (double)r->load[l].nr_pages, 0);
	cell(med / median(bare, F(main)), 2);
	cell(least(s, F(main)) / least(bare, F(main)), 2);
	cell(median(s, F(scan)) / 1e3, 1);
	cell(median(s, F(drain)) / 1e3, 1);
	cell(median(s, F(write)) / 1e3, 1);
	cell(m == STEPDUMP ? other / 1e3 : 0, 1);
	cell(median(s, F(frozen)) / 1e3, 0);
	cell(median(s, F(attach)) / 1e3, 1);
	cell(median(s, F(smaps)) / 1e3, 1);
	cell(median(s, F(prepare)) / 1e3, 1);
	cell(median(s, F(commit)) / 1e3, 0);
	cell(most(s, F(peak_kib)) / 1024, 1);
	cell(most(s, F(keeper_peak_kib)) / 1024, 1);
	putchar('\n');
}

void report_table(const struct results *r)
{
	static const char *const heads[] = {
		"ms",    "min",    "ns/page", "to bare", "min/min", "scan",   "drain",    "write",
		"other", "frozen", "attach",  "smaps",   "prepare", "commit", "peak MiB", "keeper",
	};

	for (unsigned l = 0; l < NR_LOADS; l++)
		for (unsigned o = 0; r->load[l].pid && o < NR_OUTS; o++) {
			printf("\n%s (%s) -> %s %s\n  %-17s", r->load[l].name, r->load[l].what,
			       r->out[o].name, r->out[o].path, "");
			for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
				printf("%9s", heads[i]);
			putchar('\n');
			for (unsigned m = 0; m < NR_METHODS; m++)
				method_row(r, l, o, m);
		}
	printf("\nms, medians of %u rounds; peaks are the highest; ratios below 1 are faster.\n"
	       "frozen as the target saw it, +-1 ms; attach = freeze + mappings; drain = command,\n"
	       "descriptor, vmsplice, reply; commit = check, fsync, rename, cure.\n",
	       r->rounds);
	if (r->disturbed)
		printf("%u samples were disturbed by other processes at each try.\n", r->disturbed);
}

static void json_series(const struct results *r, unsigned l, unsigned o, unsigned m, bool *first)
{
	const struct series *s = &r->series[l][o][m];

	if (!s->nr)
		return;
	printf("%s{\"load\":\"%s\",\"out\":\"%s\",\"method\":\"%s\",\"pages\":%llu,"
	       "\"peak_kib\":%.0f,\"keeper_peak_kib\":%.0f,\"us\":{",
	       *first ? "" : ",\n", r->load[l].name, m == MEMCPY ? "memory" : r->out[o].name,
	       method_names[m], (unsigned long long)s->s[0].pages, most(s, F(peak_kib)),
	       most(s, F(keeper_peak_kib)));
	for (size_t t = 0; t < NR_TIMES; t++) {
		printf("%s\"%s\":[", t ? "," : "", times[t].name);
		for (unsigned i = 0; i < s->nr; i++)
			printf("%s%llu", i ? "," : "",
			       (unsigned long long)field_of(&s->s[i], times[t].field));
		putchar(']');
	}
	printf("}}");
	*first = false;
}

void report_json(const struct results *r)
{
	bool first = true;

	printf("{\"rounds\":%u,\"disturbed\":%u,\"outputs\":{", r->rounds, r->disturbed);
	for (unsigned o = 0; o < NR_OUTS; o++)
		printf("%s\"%s\":\"%s\"", o ? "," : "", r->out[o].name, r->out[o].fs);
	printf("},\"series\":[\n");
	for (unsigned l = 0; l < NR_LOADS; l++)
		for (unsigned o = 0; o < NR_OUTS; o++)
			for (unsigned m = 0; m < NR_METHODS; m++)
				json_series(r, l, o, m, &first);
	printf("\n]}\n");
}

static bool check_line(FILE *f, bool ok, const char *what, double value, double limit)
{
	fprintf(f, "%s  %s: %.2f (limit %.2f)\n", ok ? "PASS" : "FAIL", what, value, limit);
	return ok;
}

bool report_checks(const struct results *r, bool json)
{
	FILE *f = json ? stderr : stdout;
	double peak = 0;
	bool ok = true;

	fputc('\n', f);
	for (unsigned o = 0; r->load[LOAD_DENSE].pid && o < NR_OUTS; o++) {
		double ratio = median(&r->series[LOAD_DENSE][o][STEPDUMP], F(main)) /
			       median(&r->series[LOAD_DENSE][o][BARE], F(main));
		double sane = median(&r->series[LOAD_DENSE][o][BARE], F(main)) /
			      least(&r->series[LOAD_DENSE][o][WRITE], F(main));
		char what[80];

		if (sane < SANE_LEAST || sane > SANE_MOST) {
			fprintf(f,
				"INVALID  dense, %s: bare / write() is %.2f, not %.1f to %.1f: "
				"the ratio %.2f says nothing\n",
				r->out[o].name, sane, SANE_LEAST, SANE_MOST, ratio);
			ok = false;
			continue;
		}
		snprintf(what, sizeof(what), "not slower than the bare loop on dense, %s: ratio",
			 r->out[o].name);
		ok &= check_line(f, ratio <= RATIO_LIMIT, what, ratio, RATIO_LIMIT);
	}
	for (unsigned l = 0; l < NR_LOADS; l++)
		for (unsigned o = 0; o < NR_OUTS; o++) {
			double p = most(&r->series[l][o][STEPDUMP], F(peak_kib)) / 1024;

			if (p > peak)
				peak = p;
		}
	ok &= check_line(f, peak < PEAK_LIMIT_MIB, "peak memory of stepdump in MiB", peak,
			 PEAK_LIMIT_MIB);
	return ok;
}
