/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How runs of pages and holes are planned: merging, growing pipes, full chunks, reuse, failures.
 * fcntl() is our own: it counts the sizes asked for and acts as a kernel that refuses, or as one
 * that grants what it would to root.
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "engine/dump/page_pipe.h"

#include "tests/lib/test.h"

#define A 0x7f0000000000ull
#define P(n) (A + (uint64_t)(n)*PAGE)

/* ---- the kernel ------------------------------------------------------------------- */

static unsigned grant_up_to; /* pages; more is EPERM.  0: ask the real one */
static unsigned asked[64], nr_asked;

static long real_fcntl(int fd, int cmd, long arg)
{
	return syscall(SYS_fcntl, fd, cmd, arg);
}

static int fake_fcntl(int fd, int cmd, long arg)
{
	if (cmd != F_SETPIPE_SZ)
		return (int)real_fcntl(fd, cmd, arg);
	assert_true(nr_asked < 64);
	asked[nr_asked++] = (unsigned)(arg / (long)PAGE);
	if (!grant_up_to)
		return (int)real_fcntl(fd, cmd, arg);

	unsigned given = 1;

	while (given * PAGE < (unsigned long)arg)
		given *= 2;
	if (given > grant_up_to) {
		errno = EPERM;
		return -1;
	}
	return (int)(given * PAGE);
}

int fcntl(int fd, int cmd, ...);
int fcntl(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	long arg = va_arg(ap, long);
	va_end(ap);
	return fake_fcntl(fd, cmd, arg);
}

int fcntl64(int fd, int cmd, ...);
int fcntl64(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	long arg = va_arg(ap, long);
	va_end(ap);
	return fake_fcntl(fd, cmd, arg);
}

/* ---- helpers ---------------------------------------------------------------------- */

static struct page_pipe pp;

static void begin(unsigned max_pipes, unsigned ask, unsigned grant)
{
	grant_up_to = grant;
	nr_asked = 0;
	page_pipe_init(&pp, max_pipes, ask);
}

static int end(void **state)
{
	page_pipe_deinit(&pp);
	return 0;
}

static uint64_t add(uint64_t addr, uint64_t nr, unsigned flags)
{
	uint64_t added = ~0ull;

	ok(page_pipe_add_pages(&pp, addr, nr, flags, &added));
	assert_true(added <= nr);
	return added;
}

static void hole(uint64_t addr, uint64_t nr)
{
	page_pipe_add_hole(&pp, addr, nr, PP_HOLE_PARENT);
}

static void iov_is(unsigned ppb, unsigned i, uint64_t addr, uint64_t pages)
{
	assert_true(ppb < pp.nr_ppbs && i < pp.ppb[ppb].nr_segs);
	assert_int_equal((uint64_t)pp.ppb[ppb].iov[i].iov_base, addr);
	assert_int_equal(pp.ppb[ppb].iov[i].iov_len, pages * PAGE);
}

/* What must be true of any plan. */
static void plan_is_sound(void)
{
	uint64_t last = 0, total = 0;

	for (unsigned i = 0; i < pp.nr_ppbs; i++) {
		const struct page_pipe_buf *b = &pp.ppb[i];
		uint64_t pages = 0;

		assert_true(b->nr_segs > 0);
		for (unsigned k = 0; k < b->nr_segs; k++) {
			assert_true((uint64_t)b->iov[k].iov_base >= last);
			last = (uint64_t)b->iov[k].iov_base + b->iov[k].iov_len;
			pages += b->iov[k].iov_len / PAGE;
		}
		assert_int_equal(pages, b->pages_in);
		assert_int_equal(pages, ppb_pages(b, 0, b->nr_segs));
		assert_true(pages <= b->pipe_size);
		assert_int_equal(b->state, PPB_PLANNED);
		total += pages;
	}
	assert_int_equal(page_pipe_planned(&pp), total);
}

/* ---- runs ------------------------------------------------------------------------- */

TEST(adjacent_runs_become_one_iov, NULL, end)
{
	begin(8, 256, 1024);
	assert_int_equal(add(P(0), 1, 0), 1);
	assert_int_equal(add(P(1), 3, 0), 3);
	assert_int_equal(add(P(5), 1, 0), 1); /* page 4 is missing */
	assert_int_equal(add(P(6), 2, 0), 2);
	assert_int_equal(pp.nr_ppbs, 1);
	assert_int_equal(pp.ppb[0].nr_segs, 2);
	iov_is(0, 0, P(0), 4);
	iov_is(0, 1, P(5), 3);
	plan_is_sound();
}

TEST(no_pages_make_no_pipe, NULL, end)
{
	begin(8, 256, 1024);
	assert_int_equal(add(P(0), 0, 0), 0);
	assert_int_equal(pp.nr_ppbs, 0);
	assert_int_equal(pp.nr_pipes, 0);
}

TEST(a_pipe_doubles_page_by_page, NULL, end)
{
	unsigned sizes[16], nr = 0;

	begin(8, PIPE_ASK_PAGES, 1024);
	for (unsigned i = 0; i < 1024; i++) {
		assert_int_equal(add(P(2 * i), 1, 0), 1);
		if (!nr || sizes[nr - 1] != pp.ppb[0].pipe_size)
			sizes[nr++] = pp.ppb[0].pipe_size;
		assert_int_equal(pp.nr_ppbs, 1);
	}
	static const unsigned want[] = { 16, 32, 64, 128, 256, 512, 1024 };

	assert_int_equal(nr, 7);
	assert_memory_equal(sizes, want, sizeof(want));
	assert_int_equal(pp.ppb[0].pipe_asked, 819); /* the kernel rounds up */
	assert_int_equal(pp.ppb[0].grow_errno, 0);
	assert_int_equal(pp.ppb[0].nr_segs, 1024);
	plan_is_sound();

	assert_int_equal(add(P(2048), 1, 0), 1); /* not asked beyond 819 */
	assert_int_equal(pp.nr_ppbs, 2);
	assert_int_equal(asked[nr_asked - 1], 819);
}

TEST(a_long_run_grows_the_pipe_at_once, NULL, end)
{
	begin(8, PIPE_ASK_PAGES, 1024);
	assert_int_equal(add(P(0), 3000, 0), 3000);
	assert_int_equal(pp.nr_ppbs, 3);
	iov_is(0, 0, P(0), 1024);
	iov_is(1, 0, P(1024), 1024);
	iov_is(2, 0, P(2048), 952);
	plan_is_sound();
}

TEST(the_last_size_asked_is_the_bound, NULL, end)
{
	begin(1, 40, 1024);
	assert_int_equal(add(P(0), 100, 0), 64); /* asked 40, given 64 */
	assert_int_equal(nr_asked, 2);
	assert_int_equal(asked[0], 32);
	assert_int_equal(asked[1], 40);
	assert_int_equal(pp.ppb[0].pipe_asked, 40);
	assert_int_equal(pp.ppb[0].pipe_size, 64);
}

TEST(a_refusal_is_remembered, NULL, end)
{
	begin(8, PIPE_ASK_PAGES, 256);
	assert_int_equal(add(P(0), 256, 0), 256);
	assert_int_equal(pp.ppb[0].grow_errno, 0); /* it did not have to grow yet */
	assert_int_equal(pp.nr_ppbs, 1);
	unsigned before = nr_asked;

	assert_int_equal(add(P(256), 1000, 0), 1000);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pp.ppb[i].pipe_size, 256);
		assert_int_equal(pp.ppb[i].grow_errno, EPERM);
		assert_int_equal(pp.ppb[i].pipe_asked, 512);
	}
	assert_int_equal(pp.ppb[4].grow_errno, 0);
	assert_int_equal(pp.size_known, 256);
	assert_int_equal(pp.size_errno, EPERM);
	/* 512 was asked for once; the others grew 16 -> 256 by four calls each */
	unsigned refused = 0;

	for (unsigned i = before; i < nr_asked; i++)
		refused += asked[i] == 512;
	assert_int_equal(refused, 1);
	plan_is_sound();
}

TEST(the_sizes_are_those_of_the_kernel, NULL, end)
{
	/* the witness: a pipe of our own, asked for the same sizes */
	int p[2], given, why = 0;
	unsigned limit = 16;

	MUST(!pipe(p));
	while (limit < PIPE_ASK_PAGES) {
		unsigned want = limit * 2 < PIPE_ASK_PAGES ? limit * 2 : PIPE_ASK_PAGES;

		given = (int)real_fcntl(p[1], F_SETPIPE_SZ, (long)(want * PAGE));
		if (given < 0) {
			why = errno;
			break;
		}
		limit = (unsigned)given / PAGE;
	}
	close(p[0]);
	close(p[1]);
	begin(1, PIPE_ASK_PAGES, 0);
	assert_int_equal(add(P(0), 5000, 0), limit);
	assert_int_equal(pp.ppb[0].pipe_size, limit);
	assert_int_equal(pp.ppb[0].grow_errno, why);
	assert_int_equal(real_fcntl(pp.ppb[0].p[0], F_GETPIPE_SZ, 0), limit * PAGE);
}

/* ---- chunks ----------------------------------------------------------------------- */

TEST(eight_pipes_are_a_chunk, NULL, end)
{
	int fds[8][2];

	begin(NR_PIPES_PER_CHUNK, 16, 1024);
	assert_int_equal(add(P(0), 1000, 0), 8 * 16);
	assert_int_equal(pp.nr_ppbs, 8);
	for (unsigned i = 0; i < 8; i++) {
		iov_is(i, 0, P(16 * i), 16);
		memcpy(fds[i], pp.ppb[i].p, sizeof(fds[i]));
	}
	assert_int_equal(add(P(128), 1, 0), 0);
	assert_int_equal(add(P(128), 1, PPB_LAZY), 0);
	plan_is_sound();
	hole(P(300), 1);

	page_pipe_reinit(&pp);
	assert_int_equal(pp.nr_ppbs, 0);
	assert_int_equal(pp.nr_holes, 0);
	assert_int_equal(page_pipe_planned(&pp), 0);
	assert_int_equal(pp.nr_pipes, 8);
	assert_int_equal(add(P(128), 872, 0), 128);
	for (unsigned i = 0; i < 8; i++) {
		iov_is(i, 0, P(128 + 16 * i), 16);
		assert_int_equal(pp.ppb[i].nr_segs, 1);
		assert_memory_equal(fds[i], pp.ppb[i].p, sizeof(fds[i]));
	}
	assert_int_equal(pp.pipes_made, 8);
	assert_int_equal(pp.bufs_made, 16);
	plan_is_sound();
}

TEST(a_pipe_used_again_keeps_its_size, NULL, end)
{
	begin(1, 256, 1024);
	assert_int_equal(add(P(0), 256, 0), 256);
	page_pipe_reinit(&pp);
	nr_asked = 0;
	assert_int_equal(add(P(0), 300, PPB_LAZY), 256);
	assert_int_equal(nr_asked, 0);
	assert_int_equal(pp.ppb[0].flags, PPB_LAZY);
}

TEST(lazy_and_not_never_share_a_ppb, NULL, end)
{
	begin(NR_PIPES_PER_CHUNK, 256, 1024);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(add(P(i), 1, i & 1 ? PPB_LAZY : 0), 1);
		assert_int_equal(pp.nr_ppbs, i + 1);
	}
	/* with eight pipes the chunk is full for pages that need a ninth, not for more of the last
	 * kind */
	assert_int_equal(add(P(8), 1, 0), 0);
	assert_int_equal(add(P(8), 1, PPB_LAZY), 1);
	assert_int_equal(pp.nr_ppbs, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pp.ppb[i].flags, i & 1 ? PPB_LAZY : 0);
	plan_is_sound();
}

TEST(without_a_bound_pipes_are_made_as_needed, NULL, end)
{
	begin(0, 16, 1024);
	assert_int_equal(add(P(0), 1000, 0), 1000);
	assert_int_equal(pp.nr_ppbs, 63);
	plan_is_sound();
}

/* ---- holes ------------------------------------------------------------------------ */

TEST(holes_merge_and_grow_by_32, NULL, end)
{
	begin(8, 256, 1024);
	hole(P(0), 2);
	hole(P(2), 3);
	assert_int_equal(pp.nr_holes, 1);
	assert_int_equal(pp.hole[0].nr_pages, 5);
	assert_int_equal(pp.cap_holes, 32);
	page_pipe_add_hole(&pp, P(5), 1, 0); /* other flags */
	assert_int_equal(pp.nr_holes, 2);
	for (unsigned i = 2; i < 65; i++) {
		hole(P(10 + 2 * i), 1);
		assert_int_equal(pp.nr_holes, i + 1);
		assert_int_equal(pp.cap_holes, (i / 32 + 1) * 32);
	}
	assert_int_equal(pp.hole[64].start, P(10 + 128));
	assert_int_equal(pp.nr_ppbs, 0);
}

/* ---- look-up ---------------------------------------------------------------------- */

TEST(every_planned_page_is_found, NULL, end)
{
	struct {
		uint64_t addr;
		unsigned ppb, iov;
		uint64_t off;
	} page[600];
	unsigned nr = 0, at, iov;
	uint64_t off, addr = 0;

	begin(0, 16, 1024);
	for (unsigned run = 0; nr < 500; run++) {
		uint64_t len = 1 + rnd(20);

		addr += 1 + rnd(3);
		add(P(addr), len, 0);
		for (uint64_t k = 0; k < len; k++)
			page[nr++].addr = P(addr + k);
		addr += len;
	}
	/* by hand: pages fill pipes of 16 in order */
	for (unsigned i = 0, seg = 0; i < nr; i++) {
		if (i % 16 == 0)
			seg = 0;
		else if (page[i].addr != page[i - 1].addr + PAGE)
			seg++;
		page[i].ppb = i / 16;
		page[i].off = i % 16;
		page[i].iov = seg;
	}
	for (unsigned i = 0, next = 0; i <= addr + 2; i++) {
		bool found = page_pipe_find(&pp, P(i) + rnd(PAGE), &at, &iov, &off);

		assert_int_equal(found, next < nr && page[next].addr == P(i));
		if (!found)
			continue;
		assert_int_equal(at, page[next].ppb);
		assert_int_equal(iov, page[next].iov);
		assert_int_equal(off, page[next].off);
		next++;
	}
	assert_false(page_pipe_find(&pp, A - 1, &at, &iov, &off));
	assert_false(page_pipe_find(&pp, ~0ull, &at, &iov, &off));
	plan_is_sound();
}

/* ---- the worked example of CRIU's page-pipe header -------------------------------- */

TEST(the_worked_example, NULL, end)
{
	/* first generation: three runs */
	begin(8, PIPE_ASK_PAGES, 1024);
	add(P(0x03), 3, 0);
	add(P(0x0b), 6, 0);
	add(P(0x18), 4, 0);
	assert_int_equal(pp.nr_ppbs, 1);
	assert_int_equal(pp.ppb[0].pages_in, 13);
	assert_int_equal(pp.ppb[0].nr_segs, 3);
	assert_int_equal(pp.nr_holes, 0);
	page_pipe_reinit(&pp);

	/* second: old pages are holes, new ones go into the pipe */
	hole(P(0x03), 2);
	add(P(0x05), 1, 0);
	hole(P(0x0b), 4);
	add(P(0x0f), 3, 0);
	add(P(0x17), 2, 0);
	hole(P(0x19), 3);
	assert_int_equal(pp.nr_ppbs, 1);
	assert_int_equal(pp.ppb[0].nr_segs, 3);
	iov_is(0, 0, P(0x05), 1);
	iov_is(0, 1, P(0x0f), 3);
	iov_is(0, 2, P(0x17), 2);
	assert_int_equal(pp.nr_holes, 3);
	assert_int_equal(pp.hole[0].start, P(0x03));
	assert_int_equal(pp.hole[0].nr_pages, 2);
	assert_int_equal(pp.hole[1].start, P(0x0b));
	assert_int_equal(pp.hole[1].nr_pages, 4);
	assert_int_equal(pp.hole[2].start, P(0x19));
	assert_int_equal(pp.hole[2].nr_pages, 3);
	plan_is_sound();
}

/* ---- failures --------------------------------------------------------------------- */

/* No descriptors left after `pipes` more pipes. */
static struct rlimit files_for(unsigned pipes)
{
	struct rlimit old = { 0 }, tight;
	int fd = dup(0);

	MUST(fd >= 0 && !close(fd) && !getrlimit(RLIMIT_NOFILE, &old));
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 2 * pipes;
	MUST(!setrlimit(RLIMIT_NOFILE, &tight));
	return old;
}

TEST(without_descriptors_nothing_is_planned, NULL, end)
{
	uint64_t added = 77;

	begin(8, 16, 1024);
	struct rlimit old = files_for(0);
	struct err *e = page_pipe_add_pages(&pp, P(0), 5, 0, &added);

	MUST(!setrlimit(RLIMIT_NOFILE, &old));
	assert_non_null(e);
	assert_int_equal(e->sys_errno, EMFILE);
	assert_non_null(e->hint);
	fails(e, ERR_SYS, "pipe 0");
	assert_int_equal(added, 77);
	assert_int_equal(pp.nr_ppbs, 0);
	assert_int_equal(pp.nr_pipes, 0);
	assert_int_equal(add(P(0), 5, 0), 5);
	plan_is_sound();
}

/* The run needs a second and a third pipe, and the third cannot be made: the retry must not find
 * half of the run planned. */
TEST(a_run_that_fails_half_way_is_not_planned, NULL, end)
{
	uint64_t added = 77;

	begin(8, 16, 1024);
	assert_int_equal(add(P(0), 5, 0), 5);
	struct rlimit old = files_for(1);
	struct err *e = page_pipe_add_pages(&pp, P(5), 100, 0, &added);

	MUST(!setrlimit(RLIMIT_NOFILE, &old));
	assert_non_null(e);
	assert_int_equal(e->sys_errno, EMFILE);
	err_free(e);
	assert_int_equal(added, 77);
	assert_int_equal(page_pipe_planned(&pp), 5);
	assert_int_equal(pp.nr_ppbs, 1);
	iov_is(0, 0, P(0), 5);
	plan_is_sound();

	assert_int_equal(add(P(5), 100, 0), 100);
	assert_int_equal(page_pipe_planned(&pp), 105);
	assert_int_equal(pp.nr_ppbs, 7);
	assert_int_equal(pp.bufs_made, 7);
	assert_int_equal(pp.pipes_made, 7);
	plan_is_sound();
}

/* The same when the failing run had begun an iov of its own behind others. */
TEST(what_was_planned_before_stays, NULL, end)
{
	uint64_t added;

	begin(8, 16, 1024);
	add(P(0), 5, 0);
	struct rlimit old = files_for(0);
	struct err *e = page_pipe_add_pages(&pp, P(9), 100, 0, &added);
	struct err *e2 = page_pipe_add_pages(&pp, P(9), 1, PPB_LAZY, &added);

	MUST(!setrlimit(RLIMIT_NOFILE, &old));
	fails(e, ERR_SYS, "pipe 1");
	fails(e2, ERR_SYS, "pipe 1");
	assert_int_equal(pp.nr_ppbs, 1);
	assert_int_equal(pp.ppb[0].nr_segs, 1);
	plan_is_sound();
}

/* ---- contents --------------------------------------------------------------------- */

TEST(emptying_makes_a_pipe_as_planned, NULL, end)
{
	static char page[3 * PAGE] __attribute__((aligned(4096)));
	struct iovec v = { page, sizeof(page) };

	begin(8, 16, 0);
	add((uint64_t)page, 3, 0);
	assert_int_equal(page_pipe_in_pipe(&pp.ppb[0]), 0);
	MUST(vmsplice(pp.ppb[0].p[1], &v, 1, 0) == (ssize_t)sizeof(page));
	pp.ppb[0].state = PPB_DRAINED;
	assert_int_equal(page_pipe_in_pipe(&pp.ppb[0]), sizeof(page));
	ok(page_pipe_empty(&pp, 0));
	assert_int_equal(page_pipe_in_pipe(&pp.ppb[0]), 0);
	assert_int_equal(pp.ppb[0].state, PPB_PLANNED);
	assert_int_equal(pp.ppb[0].nr_segs, 1);
	ok(page_pipe_empty(&pp, 0)); /* also when there is nothing */
}

TEST(deinit_closes_everything, NULL, end)
{
	int before = dup(0), after;

	MUST(!close(before));
	begin(0, 16, 1024);
	add(P(0), 1000, 0);
	page_pipe_deinit(&pp);
	after = dup(0);
	MUST(!close(after));
	assert_int_equal(before, after);
	page_pipe_deinit(&pp);
}
