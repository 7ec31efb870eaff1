/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A real target for run control: a child with known memory that waits, and a session over it. */
#ifndef STEPDUMP_TESTS_RUN_TARGET_H
#define STEPDUMP_TESTS_RUN_TARGET_H

#include "tests/unit/images.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "engine/session.h"

#define RW (PROT_READ | PROT_WRITE)

static struct session *s;
static pid_t child;

struct memory { /* of the child, set before it is made */
	size_t dense, sparse;             /* pages; of the sparse ones every second exists */
	char *dense_at, *sparse_at, *zero_at, *locked_at; /* the same addresses in the child */
	size_t memfd, shared;             /* pages */
};

#define ZERO_PAGES 10u
#define LOCKED_PAGES 3u /* written, then PROT_NONE */

static struct memory mem;

static inline char *map(size_t pages, int flags, int fd)
{
	/* a page without rights keeps mappings apart */
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	MUST(p != MAP_FAILED);
	MUST(mmap(p + PAGE, pages * PAGE, RW, flags | MAP_FIXED, fd, 0) == p + PAGE);
	MUST(!madvise(p + PAGE, pages * PAGE, MADV_NOHUGEPAGE));
	return p + PAGE;
}

static inline void write_pages(char *p, size_t nr, size_t every)
{
	for (size_t i = 0; i < nr; i += every)
		for (size_t k = 0; k < PAGE; k += 64)
			*(uint64_t *)(p + i * PAGE + k) = (uint64_t)(p + i * PAGE + k) * 0x9e3779b97f4a7c15ull;
}

/* The kernel writes the CPU's number into a thread's rseq area whenever the thread has moved, also
 * while it runs the parasite: two dumps of one frozen child would differ there. */
static inline void without_rseq(void)
{
	MUST(!__rseq_size ||
	     !syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1, RSEQ_SIG));
}

static inline void child_main(int ready, struct memory *m)
{
	const int anon = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	int fd = memfd_create("unit", MFD_CLOEXEC);
	volatile char sink;

	without_rseq();
	m->dense_at = map(m->dense ? m->dense : 1, anon, -1);
	m->sparse_at = map(m->sparse ? m->sparse : 1, anon, -1);
	m->zero_at = map(ZERO_PAGES, anon, -1);
	m->locked_at = map(LOCKED_PAGES, anon, -1);
	write_pages(m->dense_at, m->dense, 1);
	write_pages(m->sparse_at, m->sparse, 2);
	for (unsigned i = 0; i < ZERO_PAGES; i++)
		sink = m->zero_at[i * PAGE];
	(void)sink;
	write_pages(m->locked_at, LOCKED_PAGES, 1);
	MUST(!mprotect(m->locked_at, LOCKED_PAGES * PAGE, PROT_NONE));
	if (m->memfd) {
		MUST(fd >= 0 && !ftruncate(fd, (off_t)(m->memfd * PAGE)));
		write_pages(map(m->memfd, MAP_SHARED, fd), m->memfd, 3);
	}
	if (m->shared)
		write_pages(map(m->shared, MAP_SHARED | MAP_ANONYMOUS, -1), m->shared, 1);
	MUST(write(ready, m, sizeof(*m)) == sizeof(*m));
	for (;;)
		pause();
}

static inline void child_make(struct memory m)
{
	int p[2];

	MUST(!pipe2(p, O_CLOEXEC));
	malloc_trim(0); /* what earlier tests left is not for this child */
	child = fork();
	MUST(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child_main(p[1], &m);
	}
	close(p[1]);
	MUST(read(p[0], &mem, sizeof(mem)) == sizeof(mem));
	close(p[0]);
}

static inline void set(const char *name, const char *value)
{
	const struct opt_desc *o = opt_find(name);

	assert_non_null(o);
	ok(opts_set(session_opts(s), o, value));
}

/* A small child, many chunks. */
static const struct memory small = { .dense = 300, .sparse = 120, .memfd = 40, .shared = 50 };

static inline void session_over(struct memory m)
{
	char dir[96];

	child_make(m);
	ok(session_create(&s));
	struct err *e = session_attach(s, child);

	if (e && e->code == ERR_TARGET && e->sys_errno == EPERM) {
		print_message("skipped: no ptrace here\n");
		err_free(e);
		skip();
	}
	ok(e);
	snprintf(dir, sizeof(dir), "%s/dump", scratch);
	set("dir", dir);
	session_opts(s)->pipe_pages = 16;
}

static inline int small_target(void **state)
{
	if (scratch_make(state))
		return -1;
	session_over(small);
	return 0;
}

/* The child must have come through: it still waits, or runs. */
static inline int end_target(void **state)
{
	int status, bad = 0;

	if (s) {
		struct err *e = session_destroy(s);

		if (e) {
			print_error("session_destroy: %s\n", e->msg);
			err_free(e);
			bad = -1;
		}
	}
	s = NULL;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	child = 0;
	return bad | scratch_drop(state);
}

/* ---- running ---------------------------------------------------------------------------------- */

struct stop { /* what a Stepdump__Stop said */
	char reason[16];
	unsigned breakpoint;
	Stepdump__Phase phase; /* of the next unit */
	unsigned chunk;
	int ppb, vma;          /* of the next unit; -1 */
	uint64_t start, end;
	int verdict;           /* -1: none */
};

static inline struct err *run_kind(enum run_kind kind, unsigned count, const char *where,
				   struct stop *ret)
{
	struct run_request req = { .kind = kind, .count = count, .where = where };
	Stepdump__Stop *stop = NULL;
	struct err *e = session_run(s, &req, &stop);

	*ret = (struct stop){ .ppb = -1, .vma = -1, .verdict = -1 };
	if (!stop) {
		assert_non_null(e);
		return e;
	}
	snprintf(ret->reason, sizeof(ret->reason), "%s", stop->reason);
	ret->breakpoint = stop->breakpoint;
	assert_non_null(stop->cursor);
	ret->phase = stop->cursor->phase;
	ret->chunk = stop->cursor->chunk;
	const Stepdump__Unit *u = stop->cursor->next;

	if (u) {
		ret->ppb = u->has_ppb ? (int)u->ppb : -1;
		ret->vma = u->has_vma_index ? (int)u->vma_index : -1;
		ret->start = u->start;
		ret->end = u->end;
		ret->verdict = u->has_verdict ? (int)u->verdict : -1;
	}
	stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

static inline struct stop run(enum run_kind kind, unsigned count, const char *where)
{
	struct stop stop;

	ok(run_kind(kind, count, where, &stop));
	return stop;
}

#define cont() run(RUN_CONTINUE, 0, NULL)
#define next(n) run(RUN_NEXT, n, NULL)

#define reason_is(stop, text) assert_string_equal((stop).reason, text)

/* ---- what is staged ------------------------------------------------------------------------------ */

struct staged {
	struct { char name[256]; struct bytes f; } file[16];
	size_t nr;
};

static inline int staging_fd(void)
{
	struct snap_request req = snap_request_none();
	Stepdump__Snapshot *snap;

	req.xfer = true;
	ok(snap_take(s, &req, &snap));
	assert_non_null(snap->xfer);
	assert_non_null(snap->xfer->staging);
	int fd = open(snap->xfer->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(fd >= 0);
	stepdump__snapshot__free_unpacked(snap, NULL);
	return fd;
}

static inline int staged_by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All pagemaps and pages in the directory, by name. */
static inline struct staged staged_read(int dirfd)
{
	struct staged st = { .nr = 0 };
	DIR *d = fdopendir(dup(dirfd));

	MUST(d);
	rewinddir(d);
	for (struct dirent *de; (de = readdir(d));) {
		if (strncmp(de->d_name, "page", 4))
			continue;
		assert_true(st.nr < 16);
		snprintf(st.file[st.nr].name, sizeof(st.file[0].name), "%s", de->d_name);
		st.file[st.nr++].f = slurp(dirfd, de->d_name);
	}
	closedir(d);
	qsort(st.file, st.nr, sizeof(st.file[0]), staged_by_name);
	return st;
}

static inline struct staged staged_now(void)
{
	int fd = staging_fd();
	struct staged st = staged_read(fd);

	close(fd);
	return st;
}

static inline void staged_free(struct staged *st)
{
	for (size_t i = 0; i < st->nr; i++)
		free(st->file[i].f.b);
	st->nr = 0;
}

/* Equal to the last byte; frees `b`. */
static inline void staged_equal(const struct staged *a, struct staged b)
{
	assert_int_equal(a->nr, b.nr);
	for (size_t i = 0; i < a->nr; i++) {
		assert_string_equal(a->file[i].name, b.file[i].name);
		if (a->file[i].f.nr != b.file[i].f.nr)
			print_error("%s: %zu and %zu bytes\n", a->file[i].name, a->file[i].f.nr,
				    b.file[i].f.nr);
		assert_int_equal(a->file[i].f.nr, b.file[i].f.nr);
		for (size_t k = 0; k < a->file[i].f.nr; k++)
			if (a->file[i].f.b[k] != b.file[i].f.b[k])
				fail_msg("%s: byte 0x%zx is %02x and %02x", a->file[i].name, k,
					 a->file[i].f.b[k], b.file[i].f.b[k]);
	}
	staged_free(&b);
}

/* How many entries the scratch directory has: staging and published ones. */
static inline unsigned scratch_entries(void)
{
	DIR *d = opendir(scratch);
	unsigned nr = 0;

	MUST(d);
	while (readdir(d))
		nr++;
	closedir(d);
	return nr - 2;
}

#endif
