/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `make bench`, second part: see tests/bench/incremental/incremental.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/incremental/incremental.h"

#define NR_TRACKERS 2u
#define INCREMENTAL_LIMIT 0.10 /* of a full dump, with 1 % dirty */
#define PRE_DUMP_LIMIT 0.75    /* frozen, of a full dump's */
#define AGAIN_LIMIT 1.25       /* second pass after arming, of one without tracker */
#define ROUND_SECONDS 120u

static const char *const dump_names[NR_DUMPS] = { "full dump", "incremental, 1 %",
						  "pre-dump splice", "pre-dump read" };
static const char *const cost_names[NR_COSTS] = {
	[ARM_FIRST] = "arm, first time",       [ARM_ALL] = "arm again, all written",
	[ARM_SOME] = "arm again, 1 % written", [DISARM] = "disarm",
	[PASS_FREE] = "write all, no tracker", [PASS_ARMED] = "write all, armed",
	[PASS_AGAIN] = "write all once more",
};

struct tracker_results {
	enum opt_track kind;
	const char *name;
	char *skipped; /* why; NULL: it was measured */
	struct round round[MAX_ROUNDS];
};

/* ---- rounds ----------------------------------------------------------------------------- */

static noreturn void round_main(const struct writer *w, enum opt_track kind, const char *dir,
				bool verify, uint64_t generation, int out)
{
	struct round r = { 0 };

	alarm(ROUND_SECONDS); /* the keeper puts the target back */
	struct err *e = measure_round(w, kind, dir, verify, generation, &r);

	if (e) {
		fprintf(stderr, "\nincremental: %s\n", e->msg);
		if (e->hint)
			fprintf(stderr, "incremental: hint: %s\n", e->hint);
	}
	_exit(e || write(out, &r, sizeof(r)) != sizeof(r));
}

static struct err *do_round(const struct bench_options *o, const struct writer *w,
			    enum opt_track kind, unsigned round, struct round *ret)
{
	char dir[4000];
	int p[2], status;

	snprintf(dir, sizeof(dir), "%s/stepdump-bench.%d", o->tmpfs, getpid());
	if (mkdir(dir, 0700))
		return err_sys(errno, "create %s", dir);
	touch_free_memory(o->mib << 20);
	if (pipe(p))
		return err_sys(errno, "make a pipe");
	pid_t child = fork();

	if (!child)
		round_main(w, kind, dir, !round, round * 20 + 1, p[1]);
	close(p[1]);
	ssize_t n = read(p[0], ret, sizeof(*ret));

	close(p[0]);
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		n = 0;
	remove_tree(dir);
	return n == sizeof(*ret) ? NULL : err_new(ERR_CHECK, "round %u failed", round + 1);
}

static struct err *measure(const struct bench_options *o, struct tracker_results *t)
{
	struct writer w = { 0 };
	struct err *e = writer_start(&w, o->mib);

	if (!e)
		e = tracker_try(&w, t->kind, &t->skipped);
	for (unsigned i = 0; !e && !t->skipped && i < o->rounds; i++) {
		fprintf(stderr, "\r%s, round %u of %u ", t->name, i + 1, o->rounds);
		e = do_round(o, &w, t->kind, i, &t->round[i]);
	}
	fprintf(stderr, "\r%40s\r", "");
	writer_stop(&w);
	return e;
}

/* ---- report ------------------------------------------------------------------------------ */

#define DUMP(d, field) (offsetof(struct round, dump[d].field))
#define COST(c) (offsetof(struct round, cost[c]))

static uint64_t value(const struct tracker_results *t, unsigned i, size_t field)
{
	return *(const uint64_t *)((const char *)&t->round[i] + field);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* which: 0 the least, 0.5 the median, 1 the most. */
static double at(const struct bench_options *o, const struct tracker_results *t, size_t field,
		 double which)
{
	uint64_t v[MAX_ROUNDS];

	for (unsigned i = 0; i < o->rounds; i++)
		v[i] = value(t, i, field);
	qsort(v, o->rounds, sizeof(v[0]), by_value);
	return (double)v[(unsigned)(which * (o->rounds - 1) + 0.5)];
}

static double median(const struct bench_options *o, const struct tracker_results *t, size_t field)
{
	return at(o, t, field, 0.5);
}

static void table(const struct bench_options *o, const struct tracker_results *t)
{
	double full = median(o, t, DUMP(FULL, main)), frozen = median(o, t, DUMP(FULL, frozen));
	double free_us = median(o, t, COST(PASS_FREE));

	printf("\ntracker %s (%llu MiB, one page of %u written between two dumps) -> tmpfs %s\n",
	       t->name, (unsigned long long)o->mib, DIRTY_EACH, o->tmpfs);
	if (t->skipped) {
		printf("  skipped: %s\n", t->skipped);
		return;
	}
	printf("  %-24s%9s%9s%9s%9s%9s%9s%9s\n", "", "ms", "min", "to full", "frozen", "to full",
	       "total", "pages");
	for (unsigned d = 0; d < NR_DUMPS; d++) {
		double ms = median(o, t, DUMP(d, main)), f = median(o, t, DUMP(d, frozen));

		printf("  %-24s%9.1f%9.1f%9.3f%9.1f%9.3f%9.1f%9.0f\n", dump_names[d], ms / 1e3,
		       at(o, t, DUMP(d, main), 0) / 1e3, ms / full, f / 1e3, f / frozen,
		       median(o, t, DUMP(d, total)) / 1e3, median(o, t, DUMP(d, pages)));
	}
	printf("  %-24s%9s%9s%9s%9s\n", "", "ms", "min", "ms/GiB", "ns/page");
	for (unsigned c = 0; c < NR_COSTS; c++) {
		double us = median(o, t, COST(c));

		printf("  %-24s%9.1f%9.1f%9.1f%9.0f", cost_names[c], us / 1e3,
		       at(o, t, COST(c), 0) / 1e3, us * 1.024 / (double)o->mib,
		       us * 1e3 / (double)(o->mib << 8));
		if (c == PASS_ARMED || c == PASS_AGAIN)
			printf("   %.2f of the throughput without", free_us / us);
		putchar('\n');
	}
}

static void tables(const struct bench_options *o, const struct tracker_results *t)
{
	for (unsigned i = 0; i < NR_TRACKERS; i++)
		table(o, &t[i]);
	printf("\nmedians of %u rounds.  ms of a dump: scan to last byte written (splice: to last page\n"
	       "in a pipe; read: the scan), with all mappings read before; frozen as the target saw\n"
	       "it, +-1 ms, with that and the tracker armed again; total from attach to detach.\n",
	       o->rounds);
}

static void json_values(const struct bench_options *o, const struct tracker_results *t,
			const char *name, const char *what, size_t field, bool *first)
{
	printf("%s\"%s%s%s\":[", *first ? "" : ",", name, *what ? ", " : "", what);
	for (unsigned i = 0; i < o->rounds; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)value(t, i, field));
	putchar(']');
	*first = false;
}

static void json(const struct bench_options *o, const struct tracker_results *t)
{
	printf("{\"rounds\":%u,\"mib\":%llu,\"trackers\":[\n", o->rounds,
	       (unsigned long long)o->mib);
	for (unsigned i = 0; i < NR_TRACKERS; i++) {
		bool first = true;

		printf("%s{\"tracker\":\"%s\",", i ? ",\n" : "", t[i].name);
		if (t[i].skipped) {
			printf("\"skipped\":true}"); /* the reason is free text: see the table */
			continue;
		}
		printf("\"us\":{");
		for (unsigned d = 0; d < NR_DUMPS; d++) {
			json_values(o, &t[i], dump_names[d], "main", DUMP(d, main), &first);
			json_values(o, &t[i], dump_names[d], "frozen", DUMP(d, frozen), &first);
			json_values(o, &t[i], dump_names[d], "total", DUMP(d, total), &first);
			json_values(o, &t[i], dump_names[d], "delay", DUMP(d, delay), &first);
		}
		for (unsigned c = 0; c < NR_COSTS; c++)
			json_values(o, &t[i], cost_names[c], "", COST(c), &first);
		printf("}}");
	}
	printf("\n]}\n");
}

static bool check_line(FILE *f, const char *tracker, const char *what, double v, double limit)
{
	fprintf(f, "%s  %s: %s: %.3f (limit %.2f)\n", v <= limit ? "PASS" : "FAIL", tracker, what,
		v, limit);
	return v <= limit;
}

static bool checks(const struct bench_options *o, const struct tracker_results *t)
{
	FILE *f = o->json ? stderr : stdout;
	bool ok = true;

	fputc('\n', f);
	for (unsigned i = 0; i < NR_TRACKERS; i++) {
		const struct tracker_results *r = &t[i];

		if (r->skipped) {
			fprintf(f, "SKIP  %s: %s\n", r->name, r->skipped);
			continue;
		}
		ok &= check_line(f, r->name, "incremental dump to full dump",
				 median(o, r, DUMP(INCREMENTAL, main)) /
					 median(o, r, DUMP(FULL, main)),
				 INCREMENTAL_LIMIT);
		ok &= check_line(f, r->name, "frozen by a pre-dump to frozen by a full dump",
				 median(o, r, DUMP(PRE_SPLICE, frozen)) /
					 median(o, r, DUMP(FULL, frozen)),
				 PRE_DUMP_LIMIT);
		ok &= check_line(f, r->name, "a page costs at its first write only: second pass",
				 at(o, r, COST(PASS_AGAIN), 0) / at(o, r, COST(PASS_FREE), 0),
				 AGAIN_LIMIT);
	}
	return ok;
}

int main(int argc, char **argv)
{
	static struct tracker_results t[NR_TRACKERS] = {
		{ .kind = OPT_TRACK_UFFD, .name = "uffd" },
		{ .kind = OPT_TRACK_SOFT_DIRTY, .name = "soft-dirty" },
	};
	struct bench_options o;
	struct err *e = NULL;

	bench_options(argc, argv, 5, &o);
	for (unsigned i = 0; !e && i < NR_TRACKERS; i++)
		e = measure(&o, &t[i]);
	if (e)
		bench_die(e);
	if (o.json)
		json(&o, t);
	else
		tables(&o, t);
	return checks(&o, t) ? 0 : 1;
}
