/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/bench/bench/options.h"

static const char usage[] = "usage: %s [options]\n"
			    "  --rounds N     samples of each kind (default %u)\n"
			    "  --quick        256 MiB instead of 1 GiB, 3 rounds\n"
			    "  --size MIB     size of the target; others follow\n"
			    "  --tmpfs DIR    where images go in memory (default /dev/shm)\n"
			    "  --disk DIR     where images go on disk (default .)\n"
			    "  --only LOAD    dense, sparse or vmas\n"
			    "  --seed N       order of the samples (default: the time)\n"
			    "  --json         all samples as JSON; the verdict goes to stderr\n"
			    "--disk, --only and --seed have no effect on `incremental`.\n";

noreturn void bench_die(struct err *e)
{
	char *text = err_text(e);

	fprintf(stderr, "%s: %s\n", program_invocation_short_name, text ? text : "out of memory");
	if (e->hint)
		fprintf(stderr, "%s: hint: %s\n", program_invocation_short_name, e->hint);
	exit(1);
}

static bool is_load(const char *name)
{
	return !strcmp(name, "dense") || !strcmp(name, "sparse") || !strcmp(name, "vmas");
}

void bench_options(int argc, char **argv, unsigned rounds, struct bench_options *o)
{
	static const struct option longopts[] = {
		{ "rounds", 1, NULL, 'r' }, { "quick", 0, NULL, 'q' }, { "size", 1, NULL, 's' },
		{ "tmpfs", 1, NULL, 't' },  { "disk", 1, NULL, 'd' },  { "only", 1, NULL, 'o' },
		{ "seed", 1, NULL, 'S' },   { "json", 0, NULL, 'j' },  { 0 },
	};
	bool good = true;

	*o = (struct bench_options){ .rounds = rounds,
				     .mib = 1024,
				     .tmpfs = "/dev/shm",
				     .disk = ".",
				     .seed = (unsigned)now_us() };
	for (int c; (c = getopt_long(argc, argv, "", longopts, NULL)) != -1;)
		switch (c) {
		case 'r':
			o->rounds = (unsigned)atoi(optarg);
			break;
		case 'q':
			o->mib = 256;
			o->rounds = 3;
			break;
		case 's':
			o->mib = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o->tmpfs = optarg;
			break;
		case 'd':
			o->disk = optarg;
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'S':
			o->seed = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'j':
			o->json = true;
			break;
		default:
			good = false;
		}
	if (good && optind == argc && o->rounds && o->rounds <= MAX_ROUNDS && o->mib &&
	    (!o->only || is_load(o->only)))
		return;
	fprintf(stderr, usage, program_invocation_short_name, rounds);
	exit(2);
}
