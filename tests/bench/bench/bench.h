/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The benchmark: how fast stepdump moves the memory of a frozen process into image files, against
 * a bare loop of CRIU's own sequence and against the memory-copy limit of the machine.
 *
 * One process (bench.c) keeps the targets and runs samples in random order.  Each sample is
 * an exec of its own, so that its peak memory is its own, and reports a `struct sample`.
 */
#ifndef STEPDUMP_BENCH_H
#define STEPDUMP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"
#include "tests/bench/bench/options.h"

#define PAGE 4096ul
#define NR_LOADS 3u
#define NR_OUTS 2u

/* ---- what is dumped (target.c) ---------------------------------------------- */

enum load_kind { LOAD_DENSE, LOAD_SPARSE, LOAD_VMAS };
extern const char *const load_names[NR_LOADS];

/* Shared between the benchmark and one target. */
struct target_ctl {
	uint32_t ready;  /* futex: 1 once the memory is filled */
	uint32_t watch;  /* futex: 1 while the target has to watch the clock */
	uint64_t ticks;  /* turns of the watch */
	uint64_t gap_us; /* longest time between two of them: how long it was frozen */
};

struct load {
	enum load_kind kind;
	const char *name;  /* "dense" */
	char what[48];     /* "1024 MiB, every page" */
	uint64_t base;     /* first address of the region */
	uint64_t span;     /* pages of it, empty ones included */
	uint64_t nr_pages; /* pages of it that must be dumped */
	struct target_ctl *ctl;
	pid_t pid;
};

/* Describes the load and forks the process that owns it; returns when its memory is filled.
 * The process dies with us. */
struct err *load_start(struct load *l, enum load_kind kind, uint64_t mib);
void load_stop(struct load *l);
/* Is page `i` of the region one that must be dumped? */
bool load_has_page(const struct load *l, uint64_t i);
/* Word `i` of the page at `vaddr`. */
static inline uint64_t load_word(uint64_t vaddr, size_t i)
{
	return (vaddr + 8 * i + 1) * 0x9e3779b97f4a7c15ull;
}
/* The target measures the longest time for which it is not run. */
void load_watch(struct load *l);
uint64_t load_unwatch(struct load *l);

/* ---- what is measured --------------------------------------------------------- */

enum method { BARE, BARE_IOV, STEPDUMP, WRITE, MEMCPY, NR_METHODS };
extern const char *const method_names[NR_METHODS];

struct sample {                      /* microseconds, unless said otherwise; 0: does not apply */
	uint64_t main;               /* what is compared: scan to last byte written, from outside */
	uint64_t scan, drain, write; /* the parts, as the method itself counts them */
	uint64_t attach;             /* freeze, read mappings, checks */
	uint64_t smaps;              /* reading mappings alone */
	uint64_t prepare;            /* infect, open files */
	uint64_t commit;             /* the other images, check, fsync, rename, cure */
	uint64_t total;              /* from the beginning of attach to the end of detach */
	uint64_t frozen;             /* as the target saw it; to a tick of a millisecond */
	uint64_t delay; /* of `main`: how long others kept dumper and target from a CPU */
	uint64_t peak_kib, keeper_peak_kib;
	uint64_t pages;
};

/* Each runs in a process of its own.  `dir` exists and is empty; the images go to `dir`/img. */
struct err *sample_bare(const pid_t *pid, size_t nr, const char *dir, bool splice_per_iov,
			struct sample *s);
struct err *sample_stepdump(pid_t pid, const char *dir, struct sample *s);
struct err *sample_write(uint64_t bytes, const char *dir, struct sample *s);
struct err *sample_memcpy(uint64_t bytes, struct sample *s);

/* Compares every page of the load's region with what the target holds, by rule and not by
 * reading it: ERR_CHECK for a page that differs, is missing, or should not be there. */
struct err *verify_images(const struct load *l, const char *dir);

/* ---- results (report.c) ----------------------------------------------------------- */

struct series {
	struct sample s[MAX_ROUNDS];
	unsigned nr;
};

struct output {
	const char *name; /* "tmpfs" */
	const char *path;
	char fs[16]; /* what it really is */
};

struct results {
	struct load load[NR_LOADS];
	struct output out[NR_OUTS];
	unsigned rounds, disturbed;
	struct series series[NR_LOADS][NR_OUTS][NR_METHODS];
};

void report_table(const struct results *r);
void report_json(const struct results *r);
/* Prints one line per limit, to stderr if `json`; true if all are kept.
 * INVALID: the bare loop is not in a sane relation to the machine's limit, so a ratio to it
 * says nothing; counts as failed. */
bool report_checks(const struct results *r, bool json);

/* ---- odds and ends (util.c) ----------------------------------------------------------- */

/* Touches some free memory, a quarter at the most, so that fewer samples pay for pages that the
 * host took back (a virtual machine reports free pages).  The allocator may still hand out others:
 * the same loop was seen five times slower.  report_checks() refuses such results; touching all
 * free memory would harm other users of the machine. */
void touch_free_memory(uint64_t bytes);
/* Microseconds that we and the target were ready to run, but somebody else ran; pid 0: only we. */
uint64_t run_delay_us(pid_t target);
/* A line of /proc/PID/status in KiB, "VmHWM:"; 0 if it is not there. */
uint64_t status_kib(pid_t pid, const char *field);
/* Our own; 0: none, or the kernel does not report it. */
pid_t first_child(void);
void remove_tree(const char *path);

#endif
