/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One function per kind of memory: maps it, adds its region, or says why not. */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#endif

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define K(n) ((size_t)(n) << 10)
#define M(n) ((size_t)(n) << 20)

struct kind kinds[MAX_REGIONS];
unsigned nr_kinds;

static aio_context_t aio_ctx;
static int aio_file = -1;
static struct region *swapped;

void kind_yes(const char *name)
{
	kinds[nr_kinds++] = (struct kind){ .name = name, .have = true };
}

void kind_no(const char *name, const char *why)
{
	struct kind *k = &kinds[nr_kinds++];

	*k = (struct kind){ .name = name };
	snprintf(k->why, sizeof(k->why), "%s", why);
}

static void kind_errno(const char *name, const char *call)
{
	char why[96];

	snprintf(why, sizeof(why), "%s: %s", call, strerror(errno));
	kind_no(name, why);
}

void *map_or_die(size_t bytes, int prot, int flags, int fd)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of %zu bytes: %s", bytes, strerror(errno));
	return p;
}

/* Pages of no access before and after keep the kernel from merging neighbours into one VMA. */
static void *map_apart(size_t bytes, int prot)
{
	unsigned char *p = map_or_die(bytes + 2 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1);

	if (mmap(p + PAGE, bytes, prot, ANON | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return p + PAGE;
}

static struct region *add_anon(const char *name, size_t bytes)
{
	struct region *r = region_add(name, map_apart(bytes, RW), bytes, RW);

	kind_yes(name);
	return r;
}

void protect(struct region *r, int prot)
{
	r->prot = r->prot_odd = prot;
	r->unreadable = !(prot & PROT_READ);
	r->w_end = prot & PROT_WRITE ? r->pages : 0;
	if (mprotect(r->base, r->pages * PAGE, prot))
		die("%s: mprotect: %s", r->name, strerror(errno));
}

static void heap(void)
{
	/* Small blocks come from brk; with the mallopt() in main() this one counts as small. */
	region_fill(region_add("heap", aligned_alloc(PAGE, K(256)), K(256), RW));
	kind_yes("heap");

	mallopt(M_MMAP_THRESHOLD, K(512));
	region_fill(region_add("malloc-mmap", aligned_alloc(PAGE, M(1)), M(1), RW));
	kind_yes("malloc-mmap");
}

static void anonymous(void)
{
	struct region *r;

	region_fill(add_anon("anon", K(512)));

	r = add_anon("anon-ro", K(64));
	region_fill(r);
	protect(r, PROT_READ);

	r = add_anon("prot-none", K(64));
	region_fill(r);
	protect(r, PROT_NONE);

	r = add_anon("exec-only", K(32));
	region_fill(r);
	protect(r, PROT_EXEC);

	r = add_anon("write-only", K(32));
	region_fill(r);
	protect(r, PROT_WRITE);
}

enum rule rule_zeros(const struct region *r, size_t page)
{
	switch (page % 4) {
	case 0:
		return R_ZERO_READ;
	case 1:
		return R_ZERO_WRITTEN;
	case 2:
		return R_ABSENT;
	default:
		return R_CONTENT;
	}
}

static void zeros(void)
{
	struct region *r = add_anon("zeros", K(128));

	/* A huge zero page, or a huge page, would make other pages present too. */
	madvise(r->base, r->pages * PAGE, MADV_NOHUGEPAGE);
	r->rule = rule_zeros;
	r->w_first = 3;
	r->w_step = 4;
	region_fill(r);
}

enum rule rule_half_cow(const struct region *r, size_t page)
{
	return page < r->w_end ? R_CONTENT : R_CLEAN;
}

/* The file has what generation 1 of region `id` would be. */
void fill_file(int fd, uint32_t id, size_t pages)
{
	static unsigned char buf[PAGE];

	for (size_t i = 0; i < pages; i++) {
		page_make(buf, id, i, 1);
		if (pwrite(fd, buf, PAGE, i * PAGE) != (ssize_t)PAGE)
			die("writing a file to map: %s", strerror(errno));
	}
}

/* Pages below `cow` are written through the mapping, the others stay the file's own. */
static struct region *add_file(const char *name, int fd, size_t pages, int flags, size_t cow)
{
	fill_file(fd, nr_regions + 1, pages);

	struct region *r =
		region_add(name, map_or_die(pages * PAGE, RW, flags, fd), pages * PAGE, RW);

	r->shared = flags & MAP_SHARED;
	r->rule = rule_half_cow;
	r->w_end = cow;
	region_fill(r);
	kind_yes(name);
	return r;
}

int open_file(const char *name, bool deleted)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", opt.dir, name);

	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	if (deleted)
		unlink(path);
	return fd;
}

static void files(void)
{
	int fd = open_file("private.map", false);

	add_file("file-private", fd, 32, MAP_PRIVATE, 16);
	close(fd);
	fd = open_file("shared.map", false);
	add_file("file-shared", fd, 16, MAP_SHARED, 16);
	close(fd);
	fd = open_file("deleted-private.map", true);
	add_file("file-deleted-private", fd, 16, MAP_PRIVATE, 8);
	close(fd);
	fd = open_file("deleted-shared.map", true);
	add_file("file-deleted-shared", fd, 16, MAP_SHARED, 16);
	close(fd);
}

static void memfds(void)
{
	int fd = memfd_create("demo-shared", MFD_CLOEXEC);
	const struct region *whole;
	struct region *r;

	if (fd < 0 || ftruncate(fd, 64 * PAGE)) {
		kind_errno("memfd-shared", "memfd_create");
		return;
	}
	whole = add_file("memfd-shared", fd, 64, MAP_SHARED, 64);
	/* The descriptor stays open, for the list of descriptors that must survive. */

	/* A second, read-only view of the same object, from its middle on. */
	r = region_add("memfd-alias", mmap(NULL, 32 * PAGE, PROT_READ, MAP_SHARED, fd, 32 * PAGE),
		       32 * PAGE, PROT_READ);
	r->shared = true;
	r->alias = whole;
	r->alias_page = 32;
	kind_yes("memfd-alias");

	fd = memfd_create("demo-private", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 32 * PAGE))
		die("memfd_create: %s", strerror(errno));
	add_file("memfd-private", fd, 32, MAP_PRIVATE, 16);
	close(fd);
}

static void shared_memory(void)
{
	struct region *r = region_add(
		"shm-anon", map_or_die(K(256), RW, MAP_SHARED | MAP_ANONYMOUS, -1), K(256), RW);

	r->shared = true;
	r->every = 2; /* the object has holes */
	r->w_step = 2;
	region_fill(r);
	kind_yes("shm-anon");

	int id = shmget(IPC_PRIVATE, K(128), IPC_CREAT | 0600);
	void *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (p == (void *)-1) {
		kind_errno("sysv", "shmget");
		return;
	}
	shmctl(id, IPC_RMID, NULL); /* lives on as long as it is attached */
	r = region_add("sysv", p, K(128), RW);
	r->shared = true;
	region_fill(r);
	kind_yes("sysv");
}

static enum rule rule_opaque(const struct region *r, size_t page)
{
	return R_OPAQUE;
}

/* The ring's address is the context; its length is in its header (struct aio_ring). */
static void aio(void)
{
	if (syscall(SYS_io_setup, 64, &aio_ctx)) {
		kind_errno("aio", "io_setup");
		return;
	}

	unsigned char vec;
	size_t bytes = 0;

	while (bytes < M(1) && mincore((void *)(aio_ctx + bytes), PAGE, &vec) == 0)
		bytes += PAGE;

	/* The memory behind it may belong to something else: its own header has the length. */
	unsigned nr = ((const unsigned *)aio_ctx)[1];
	size_t ring = (32 + (size_t)nr * sizeof(struct io_event) + PAGE - 1) & ~(PAGE - 1);

	if (ring < bytes)
		bytes = ring;

	struct region *r = region_add("aio", (void *)aio_ctx, bytes, RW);

	r->shared = true;
	r->rule = rule_opaque;
	r->w_end = 0;
	region_fill(r);
	aio_file = open_file("aio.data", true);
	fill_file(aio_file, r->id, 1);
	kind_yes("aio");
}

void aio_work(void)
{
	static unsigned char buf[PAGE] __attribute__((aligned(4096)));
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PREAD,
			   .aio_fildes = aio_file,
			   .aio_buf = (uintptr_t)buf,
			   .aio_nbytes = PAGE,
			   .aio_data = 42 };
	struct iocb *list[1] = { &cb };
	struct io_event ev;
	uint32_t id = 0;

	if (aio_file < 0)
		return;
	for (unsigned i = 0; i < nr_regions; i++)
		if (regions[i].base == (unsigned char *)aio_ctx)
			id = regions[i].id;
	if (syscall(SYS_io_submit, aio_ctx, 1, list) != 1) {
		damage("aio: io_submit: %s", strerror(errno));
		return;
	}
	long n;

	do
		n = syscall(SYS_io_getevents, aio_ctx, 1, 1, &ev, NULL);
	while (n < 0 && errno == EINTR);
	if (n != 1 || ev.res != (long)PAGE || ev.data != 42)
		damage("aio: io_getevents gave %ld, res %lld", n, (long long)ev.res);
	else if (page_check(buf, id, 0, 1))
		damage("aio: read %s", page_check(buf, id, 0, 1));
}

static enum rule rule_either(const struct region *r, size_t page)
{
	return R_EITHER;
}

static enum rule rule_guard(const struct region *r, size_t page)
{
	return page % 4 == 3 ? R_GUARD : R_CONTENT;
}

static void modern(void)
{
	void *p = mmap(NULL, K(64), RW, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		kind_errno("droppable", "mmap(MAP_DROPPABLE)");
	} else {
		struct region *r = region_add("droppable", p, K(64), RW);

		r->rule = rule_either;
		r->w_end = 0;
		region_fill(r);
		kind_yes("droppable");
	}

	unsigned char *g = map_apart(K(64), RW);

	for (size_t i = 3; i < 16; i += 4)
		if (madvise(g + i * PAGE, PAGE, MADV_GUARD_INSTALL)) {
			kind_errno("guard", "madvise(MADV_GUARD_INSTALL)");
			return;
		}

	struct region *r = region_add("guard", g, K(64), RW);

	r->rule = rule_guard;
	r->w_step = 4;
	region_fill(r);
	kind_yes("guard");
}

static void huge(void)
{
	void *p = mmap(NULL, M(2), RW, ANON | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED) {
		kind_errno("hugetlb", "mmap(MAP_HUGETLB); see /proc/sys/vm/nr_hugepages");
	} else {
		region_fill(region_add("hugetlb", p, M(2), RW));
		kind_yes("hugetlb");
	}

	/* Aligned, so that one huge page is possible at all. */
	unsigned char *a = map_or_die(M(6), PROT_NONE, ANON | MAP_NORESERVE, -1);

	a = (unsigned char *)(((uintptr_t)a + M(2) - 1) & ~(M(2) - 1));
	if (mmap(a, M(2), RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	if (madvise(a, M(2), MADV_HUGEPAGE)) {
		kind_errno("thp", "madvise(MADV_HUGEPAGE)");
	} else {
		region_fill(region_add("thp", a, M(2), RW));
		kind_yes("thp");
	}
}

static void advised(void)
{
	struct region *r = add_anon("ksm", K(64));

	r->same = true;
	r->w_end = 0; /* all pages equal for ever */
	region_fill(r);
	if (madvise(r->base, K(64), MADV_MERGEABLE)) {
		nr_kinds--;
		kind_errno("ksm", "madvise(MADV_MERGEABLE)");
	}

	r = add_anon("locked", K(32));
	region_fill(r);
	if (mlock(r->base, K(32))) {
		nr_kinds--;
		kind_errno("locked", "mlock");
	}

	r = add_anon("advised", K(64));
	region_fill(r);
	madvise(r->base, K(64), MADV_SEQUENTIAL);
	madvise(r->base, K(64), MADV_DONTFORK);
	madvise(r->base, K(64), MADV_DONTDUMP);
	madvise(r->base, K(64), MADV_WIPEONFORK);

	unsigned char *p = mmap(NULL, K(64), RW, ANON | MAP_GROWSDOWN, -1, 0);

	if (p == MAP_FAILED)
		die("mmap(MAP_GROWSDOWN): %s", strerror(errno));
	region_fill(region_add("growsdown", p, K(64), RW));
	kind_yes("growsdown");
}

void swapped_pageout(void)
{
	if (swapped)
		madvise(swapped->base, swapped->pages * PAGE, MADV_PAGEOUT);
}

static bool have_swap(void)
{
	FILE *f = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	return lines > 1;
}

static void swap(void)
{
	if (!have_swap()) {
		kind_no("swapped", "no swap is configured (/proc/swaps)");
		return;
	}
	swapped = add_anon("swapped", M(1));
	swapped->rarely = true;
	swapped->w_end = 0;
	region_fill(swapped);
	swapped_pageout();
}

static void sparse(void)
{
	size_t bytes = M(1024);

	if (!opt.sparse_every) {
		kind_no("sparse", "--sparse-every 0");
		return;
	}

	struct region *r =
		region_add("sparse", map_or_die(bytes, RW, ANON | MAP_NORESERVE, -1), bytes, RW);

	madvise(r->base, bytes, MADV_NOHUGEPAGE);
	r->every = r->w_step = opt.sparse_every;
	region_fill(r);
	kind_yes("sparse");
}

/* Even pages rw, odd ones r: no two neighbours can be one VMA. */
static void many_vmas(void)
{
	if (!opt.vmas) {
		kind_no("vmas", "asked for with --vmas N");
		return;
	}

	struct region *r = add_anon("vmas", opt.vmas * PAGE);

	madvise(r->base, opt.vmas * PAGE, MADV_NOHUGEPAGE);
	region_fill(r);
	for (size_t i = 1; i < opt.vmas; i += 2)
		if (mprotect(r->base + i * PAGE, PAGE, PROT_READ))
			die("--vmas %zu: mprotect of page %zu: %s", opt.vmas, i, strerror(errno));
	r->prot_odd = PROT_READ;
	r->w_step = 2;
}

static void on_request(void)
{
	many_vmas();

	if (opt.reserve) {
		map_or_die(opt.reserve, PROT_NONE, ANON | MAP_NORESERVE, -1);
		kind_yes("reserve");
	} else {
		kind_no("reserve", "asked for with --reserve SIZE");
	}

	if (opt.dense)
		region_fill(add_anon("dense", opt.dense & ~(PAGE - 1)));
	else
		kind_no("dense", "asked for with --dense SIZE");

	if (opt.secretmem) {
		int fd = syscall(SYS_memfd_secret, 0);

		if (fd < 0 || ftruncate(fd, K(16)))
			die("--secretmem: memfd_secret: %s", strerror(errno));
		memset(map_or_die(K(16), RW, MAP_SHARED, fd), 7, K(16));
		kind_yes("secretmem");
	} else {
		kind_no("secretmem", "asked for with --secretmem; cannot be dumped");
	}

	if (opt.iouring) {
		uint64_t params[15] = { 0 }; /* struct io_uring_params */
		int fd = syscall(SYS_io_uring_setup, 8, params);

		if (fd < 0)
			die("--iouring: io_uring_setup: %s", strerror(errno));
		map_or_die(PAGE, RW, MAP_SHARED, fd);
		kind_yes("iouring");
	} else {
		kind_no("iouring", "asked for with --iouring; cannot be dumped");
	}
}

void kinds_setup(void)
{
	heap();
	anonymous();
	zeros();
	files();
	memfds();
	shared_memory();
	if (opt.aio)
		aio();
	else
		kind_no("aio", "asked for with --aio; dirty tracking then trusts nothing");
	modern();
	huge();
	advised();
	swap();
	sparse();
	on_request();
}
