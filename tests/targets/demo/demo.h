/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The demo target: a process that owns every kind of memory the kernel lets it have, works in it,
 * and checks all of it, forever.
 *
 * A region is one mapping (or a part of one) with a rule for each page.  Content pages are a
 * pure function of (seed, region, page, generation), so the seed determines the bytes of a page,
 * and the process itself knows which generation it wrote last.
 */
#ifndef DEMO_H
#define DEMO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PAGE 4096ul

struct options {
	uint64_t seed;
	unsigned threads;    /* workers */
	size_t sparse_every; /* content on every n-th page of the sparse gigabyte; 0: no region */
	size_t dense;        /* bytes */
	size_t reserve;      /* bytes of PROT_NONE */
	size_t vmas;         /* VMAs of one page each */
	bool child, secretmem, iouring, seccomp, quiet, fatal, for_criu, aio, lesson;
	const char *dir; /* where its files live */
	const char *status, *record;
	unsigned run_for; /* seconds; 0: for ever */
};
extern struct options opt;

/* ---- pages (page.c) ------------------------------------------------------ */

/* The first bytes of a content page; the rest is pseudo-random. */
struct page_head {
	uint64_t magic;
	uint32_t region, page;
	uint64_t gen;
	uint64_t seed;
	uint64_t sum; /* over all words after the head */
};
#define PAGE_MAGIC 0x314f4d4544505453ull /* "STPDEMO1" */

void page_make(void *page, uint32_t region, uint32_t nr, uint64_t gen);
/* NULL if it is exactly what page_make() makes, else what is wrong. */
const char *page_check(const void *page, uint32_t region, uint32_t nr, uint64_t gen);
bool page_is_zero(const void *page);
uint32_t page_crc32(const void *page);
uint64_t mix64(uint64_t x);

/* ---- regions (region.c) -------------------------------------------------- */

enum rule {
	R_CONTENT,      /* page_make() wrote it through this mapping (anonymous, COWed or shared) */
	R_CLEAN,        /* as in the file behind it; never written through this mapping */
	R_ZERO_READ,    /* only ever read: the zero page */
	R_ZERO_WRITTEN, /* 4096 zero bytes were written */
	R_EITHER,       /* content or zero: the kernel may drop it */
	R_GUARD,        /* touching it faults */
	R_ABSENT,       /* never touched */
	R_OPAQUE,       /* the kernel's own content (AIO ring) */
};

struct region {
	const char *name;
	uint32_t id;
	unsigned char *base;
	size_t pages;
	int prot, prot_odd; /* prot_odd: of odd pages, where they alternate */
	bool shared;        /* MAP_SHARED */
	bool unreadable;    /* read it through /proc/self/mem */
	bool same;          /* every page has the content of page 0 (for KSM) */
	bool rarely;        /* reading has an effect (swap-in): check it seldom */
	size_t every;       /* only every n-th page has a rule, the rest is absent */
	enum rule (*rule)(const struct region *r, size_t page);
	size_t w_first, w_end; /* pages that workers may write; w_step: every n-th of these */
	size_t w_step;
	const struct region *alias; /* maps the same object as this one ... */
	size_t alias_page;          /* ... from this page on; has no generations of its own */
	uint64_t *gen;              /* by page / every */
	pthread_mutex_t lock;
};

#define MAX_REGIONS 64
extern struct region regions[MAX_REGIONS];
extern unsigned nr_regions;

/* A kind of memory that is available here, or not, and why. */
struct kind {
	const char *name;
	bool have;
	char why[96];
};
extern struct kind kinds[MAX_REGIONS];
extern unsigned nr_kinds;

/* Adds a region whose pages all have content; the caller adjusts the fields, then fills. */
struct region *region_add(const char *name, void *base, size_t bytes, int prot);
void region_fill(struct region *r);                    /* while it is writable */
void region_write_page(struct region *r, size_t page); /* next generation; takes the lock */
void region_verify(struct region *r);
/* Compares all regions with /proc/self/maps, and finds what a dumper left behind. */
void maps_verify(void);
void regions_record(const char *file);
uint64_t pages_verified(void);

/* ---- the kinds (kinds.c) ------------------------------------------------- */

void kinds_setup(void); /* all but stacks */
void kind_yes(const char *name);
void kind_no(const char *name, const char *why);
void *map_or_die(size_t bytes, int prot, int flags, int fd);
void aio_work(void);        /* one read through the AIO ring */
void swapped_pageout(void); /* the region that shall be swapped: back to swap */

void protect(struct region *r, int prot);
enum rule rule_zeros(const struct region *r, size_t page);    /* four kinds of pages in turn */
enum rule rule_half_cow(const struct region *r, size_t page); /* content below w_end, then clean */
int open_file(const char *name, bool deleted);                /* in opt.dir */
/* The file has what generation 1 of region `id` would be. */
void fill_file(int fd, uint32_t id, size_t pages);

/* ---- the memory of the lessons (lesson.c) -------------------------------- */

/* Starts the program again without address randomisation, unless it has none. */
void lesson_fix_layout(char **argv);
void lesson_setup(void);
void lesson_round(void); /* writes the busy pages; takes a millisecond */

/* ---- the process around the memory (life.c) ------------------------------ */

void thread_start(const char *name, void *(*fn)(void *), void *arg);
void life_start(void);        /* threads that spin, sleep, poll; timer; pending signals */
void life_record_state(void); /* what must not change: fds, signal masks */
void life_verify(void);
void life_cleanup(void);
uint64_t life_spins(void), life_ticks(void), life_sleeps(void), life_polls(void);

/* ---- damage (demo.c) ----------------------------------------------------- */

void damage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t now_us(void);

#endif
