/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The yardstick: CRIU's own sequence and nothing else.  Scan, iovs, 8 pipes of 1 MiB; for each pipe
 * command, descriptor, vmsplice in the target, reply; then for each pipe splice to the file and the
 * pagemap entries; again until all is out.  Freezing, the parasite and the classification of
 * mappings are the engine's; everything between "scan" and "last byte written" is not.
 * Mirrors: criu/mem.c __parasite_dump_pages_seized(), criu/page-xfer.c page_xfer_dump_pages().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/keeper/keeper_main.h"
#include "engine/parasite/proto.h"
#include "engine/proc/proc.h"
#include "engine/proc/vma.h"
#include "engine/target/keeper.h"

#include "tests/bench/bench/bench.h"

#define NR_PIPES 8
#define PIPE_BYTES (1u << 20)
#define WINDOW (2ul << 20) /* CRIU's PMC_SIZE */
#define TASK_END 0x7ffffffff000ull
#define REGIONS 4096
#define ENTRIES 4096 /* of pagemap, where there is no ioctl */
#define OUT_BYTES 65536
#define MAX_SEEN 64

enum { FILE_PAGE = 0x4, PRESENT = 0x8, SWAPPED = 0x10, ZERO_PAGE = 0x20, SOFT_DIRTY = 0x80 };

struct region {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof, ret;
};

struct load_pipe {
	int fd[2];
	unsigned cap, pages, nr; /* pages it can hold, pages planned, iovs */
	struct iovec iov[PARASITE_MAX_IOVS];
};

struct bare {
	int sock, pagemap_fd, pages_fd, entries_fd;
	bool splice_per_iov;
	unsigned objects, nr_seen;
	uint64_t seen[MAX_SEEN]; /* inodes of shared objects */
	struct load_pipe pipe[NR_PIPES];
	unsigned at; /* pipe being planned */
	bool has_ioctl;
	uint64_t win_start, win_end;
	struct region region[REGIONS];
	size_t nr_regions, next_region;
	uint64_t entry[ENTRIES];
	uint8_t out[OUT_BYTES];
	size_t out_len;
	off_t off;
	struct sample *s;
};

/* ---- scan --------------------------------------------------------------------- */

static struct err *fill_by_ioctl(struct bare *b, uint64_t start, uint64_t end)
{
	struct scan_arg a = {
		.size = sizeof(a),
		.start = start,
		.end = end,
		.vec = (uintptr_t)b->region,
		.vec_len = REGIONS,
		.inverted = FILE_PAGE | ZERO_PAGE,
		.mask = FILE_PAGE | ZERO_PAGE,
		.anyof = PRESENT | SWAPPED,
		.ret = PRESENT | SWAPPED,
	};
	int n = ioctl(b->pagemap_fd, _IOWR('f', 16, struct scan_arg), &a);

	if (n < 0)
		return err_sys(errno, "PAGEMAP_SCAN");
	b->nr_regions = (size_t)n;
	b->next_region = 0;
	b->win_start = start;
	/* walk_end may lie below what was returned: a fault of the kernel */
	b->win_end = n < REGIONS ? end : b->region[n - 1].end;
	return NULL;
}

static struct err *fill_by_pread(struct bare *b, uint64_t start, uint64_t end)
{
	size_t pages = (end - start) / PAGE < ENTRIES ? (end - start) / PAGE : ENTRIES;
	ssize_t n = pread(b->pagemap_fd, b->entry, pages * 8, (off_t)(start / PAGE * 8));

	if (n <= 0 || n % 8)
		return err_sys(errno, "read pagemap");
	b->nr_regions = b->next_region = 0;
	for (size_t i = 0; i < (size_t)n / 8; i++) {
		uint64_t at = start + i * PAGE, e = b->entry[i];
		struct region *last = b->nr_regions ? &b->region[b->nr_regions - 1] : NULL;

		if (!(e >> 62) || (e >> 61 & 1)) /* neither present nor swapped, or of a file */
			continue;
		if (last && last->end == at)
			last->end += PAGE;
		else
			b->region[b->nr_regions++] = (struct region){ at, at + PAGE, 0 };
	}
	b->win_start = start;
	b->win_end = start + (uint64_t)n / 8 * PAGE;
	return NULL;
}

static struct err *fill_window(struct bare *b, uint64_t start, uint64_t vma_end)
{
	uint64_t end = vma_end > start + WINDOW ? vma_end : start + WINDOW;

	if (end > TASK_END)
		end = TASK_END;
	return b->has_ioctl ? fill_by_ioctl(b, start, end) : fill_by_pread(b, start, end);
}

/* ---- drain and write ----------------------------------------------------------------- */

static struct err *send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 }, byte = 0;
	struct iovec one = { &byte, 1 };
	struct msghdr h = { .msg_iov = &one,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? err_sys(errno, "send a pipe") : NULL;
}

static struct err *drain_pipe(struct bare *b, struct load_pipe *p)
{
	struct parasite_msg m = { .cmd = PC_DUMP_PAGES, .nr = p->nr };
	struct iovec iov[2] = { { &m, sizeof(m) }, { p->iov, p->nr * sizeof(p->iov[0]) } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	struct parasite_reply r;

	if (b->sock < 0)
		return vmsplice(p->fd[1], p->iov, p->nr, 0) == (ssize_t)(p->pages * PAGE) ?
			       NULL :
			       err_sys(errno, "vmsplice shared memory");
	if (sendmsg(b->sock, &h, MSG_NOSIGNAL) < 0)
		return err_sys(errno, "send DUMPPAGES");
	TRY(send_fd(b->sock, p->fd[1]));
	if (recv(b->sock, &r, sizeof(r), 0) != sizeof(r))
		return err_sys(errno, "answer to DUMPPAGES");
	if (r.err || r.value != p->pages * PAGE)
		return err_new(ERR_CHECK, "vmsplice: error %d, %llu bytes for %u pages", r.err,
			       (unsigned long long)r.value, p->pages);
	return NULL;
}

static struct err *move_bytes(struct bare *b, struct load_pipe *p, size_t len)
{
	while (len) {
		ssize_t n = splice(p->fd[0], NULL, b->pages_fd, &b->off, len, SPLICE_F_MOVE);

		if (n <= 0)
			return err_sys(errno, "splice");
		len -= (size_t)n;
	}
	return NULL;
}

static struct err *flush_entries(struct bare *b)
{
	if (write(b->entries_fd, b->out, b->out_len) != (ssize_t)b->out_len)
		return err_sys(errno, "write pagemap entries");
	b->out_len = 0;
	return NULL;
}

static void put_u32(struct bare *b, uint32_t v)
{
	memcpy(b->out + b->out_len, &v, sizeof(v));
	b->out_len += sizeof(v);
}

static uint8_t *put_field(uint8_t *p, unsigned field, uint64_t v)
{
	*p++ = (uint8_t)(field << 3);
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static struct err *put_entry(struct bare *b, const struct iovec *v)
{
	uint8_t msg[64], *p = msg;

	p = put_field(p, 1, (uint64_t)v->iov_base);
	p = put_field(p, 2, v->iov_len / PAGE);
	p = put_field(p, 4, 4); /* PE_PRESENT */
	if (b->out_len + sizeof(msg) > sizeof(b->out))
		TRY(flush_entries(b));
	put_u32(b, (uint32_t)(p - msg));
	memcpy(b->out + b->out_len, msg, (size_t)(p - msg));
	b->out_len += (size_t)(p - msg);
	return NULL;
}

static struct err *write_pipe(struct bare *b, struct load_pipe *p)
{
	if (!b->splice_per_iov)
		TRY(move_bytes(b, p, p->pages * PAGE));
	for (unsigned i = 0; i < p->nr; i++) {
		if (b->splice_per_iov)
			TRY(move_bytes(b, p, p->iov[i].iov_len));
		TRY(put_entry(b, &p->iov[i]));
	}
	b->s->pages += p->pages;
	p->pages = p->nr = 0;
	return NULL;
}

static struct err *flush_chunk(struct bare *b)
{
	uint64_t t0 = now_us(), t1;

	for (unsigned i = 0; i < NR_PIPES && b->pipe[i].nr; i++)
		TRY(drain_pipe(b, &b->pipe[i]));
	t1 = now_us();
	b->s->drain += t1 - t0;
	for (unsigned i = 0; i < NR_PIPES && b->pipe[i].nr; i++)
		TRY(write_pipe(b, &b->pipe[i]));
	b->s->write += now_us() - t1;
	b->at = 0;
	return NULL;
}

static struct err *add_pages(struct bare *b, uint64_t start, uint64_t end)
{
	while (start < end) {
		struct load_pipe *p = &b->pipe[b->at];

		if (p->pages == p->cap) {
			if (++b->at == NR_PIPES)
				TRY(flush_chunk(b));
			p = &b->pipe[b->at];
		}

		uint64_t n = (end - start) / PAGE;
		struct iovec *last = p->nr ? &p->iov[p->nr - 1] : NULL;

		if (n > p->cap - p->pages)
			n = p->cap - p->pages;
		if (last && (uint64_t)last->iov_base + last->iov_len == start)
			last->iov_len += n * PAGE;
		else
			p->iov[p->nr++] = (struct iovec){ (void *)start, n * PAGE };
		p->pages += (unsigned)n;
		start += n * PAGE;
	}
	return NULL;
}

static struct err *dump_vma(struct bare *b, const struct vma *v)
{
	uint64_t at = v->start;

	if (vma_always_dumped(v))
		return add_pages(b, v->start, v->end);
	while (at < v->end) {
		if (at < b->win_start || at >= b->win_end)
			TRY(fill_window(b, at, v->end));

		uint64_t stop = v->end < b->win_end ? v->end : b->win_end;

		for (; b->next_region < b->nr_regions; b->next_region++) {
			const struct region *r = &b->region[b->next_region];

			if (r->start >= stop)
				break;
			if (r->end > at)
				TRY(add_pages(b, r->start > at ? r->start : at,
					      r->end < stop ? r->end : stop));
			if (r->end > stop)
				break;
		}
		at = stop;
	}
	return NULL;
}

static struct err *finish(struct bare *b)
{
	TRY(flush_chunk(b));
	TRY(flush_entries(b));
	if (close(b->pages_fd) || close(b->entries_fd))
		return err_sys(errno, "close the images");
	return NULL;
}

static struct err *dump_private(struct bare *b, const struct vma_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (vma_is_private(&l->v[i]) && !vma_never_dumped(&l->v[i]))
			TRY(dump_vma(b, &l->v[i]));
	return finish(b);
}

/* Shared memory is mapped here, and what it holds goes through the same pipes.  Mirrors:
 * criu/shmem.c do_dump_one_shmem(). */
static struct err *dump_shared(struct bare *b, int fd, off_t size)
{
	char *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	off_t at = 0, end;

	if (map == MAP_FAILED)
		return err_sys(errno, "map shared memory");
	b->sock = -1;
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < size) {
		end = lseek(fd, at, SEEK_HOLE);
		TRY(add_pages(b, (uint64_t)map + (uint64_t)at,
			      (uint64_t)map + (uint64_t)(end < size ? end : size)));
		at = end;
	}
	TRY(finish(b));
	munmap(map, (size_t)size);
	return NULL;
}

/* ---- set-up ------------------------------------------------------------------------------ */

static void begin_entries(struct bare *b)
{
	put_u32(b, 0x54564319); /* IMG_COMMON_MAGIC */
	put_u32(b, 0x56084025); /* PAGEMAP_MAGIC */
	put_u32(b, 2);          /* the head: pages_id */
	b->out[b->out_len++] = 1 << 3;
	b->out[b->out_len++] = (uint8_t)b->objects;
}

/* The files of one more task or shared object. */
static struct err *open_object(struct bare *b, const char *kind, uint64_t id, const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/img/pages-%u.img", dir, ++b->objects);
	b->pages_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "%s/img/pagemap-%s%lu.img", dir, kind, id);
	b->entries_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (b->pages_fd < 0 || b->entries_fd < 0)
		return err_sys(errno, "open %s", path);
	b->off = 0;
	b->win_start = b->win_end = 0;
	begin_entries(b);
	return NULL;
}

static struct err *open_pagemap(struct bare *b, pid_t pid)
{
	char path[64];
	struct scan_arg probe = {
		.size = sizeof(probe), .anyof = PRESENT, .ret = PRESENT, .start = 0, .end = PAGE
	};

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	b->pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (b->pagemap_fd < 0)
		return err_sys(errno, "open %s", path);
	b->has_ioctl =
		!ioctl(b->pagemap_fd, _IOWR('f', 16, struct scan_arg), &probe) || errno != ENOTTY;
	return NULL;
}

static struct err *make_pipes(struct bare *b)
{
	for (unsigned i = 0; i < NR_PIPES; i++) {
		struct load_pipe *p = &b->pipe[i];
		int bytes = PIPE_BYTES;

		if (pipe2(p->fd, O_CLOEXEC | O_NONBLOCK))
			return err_sys(errno, "make a pipe");
		while (fcntl(p->fd[1], F_SETPIPE_SZ, bytes) < 0 && bytes > (int)PAGE)
			bytes /= 2;
		p->cap = (unsigned)fcntl(p->fd[1], F_GETPIPE_SZ) / PAGE;
	}
	return NULL;
}

/* The shared objects that are first seen in this task. */
static struct err *dump_objects(struct bare *b, pid_t pid, const struct vma_list *l,
				const char *dir)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct vma *v = &l->v[i];
		bool known = !vma_is_shmem(v) || vma_is_private(v);
		char path[96];
		struct stat st;

		for (unsigned k = 0; k < b->nr_seen; k++)
			known |= b->seen[k] == v->ino;
		if (known || b->nr_seen == MAX_SEEN)
			continue;
		b->seen[b->nr_seen++] = v->ino;
		snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, v->start, v->end);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || fstat(fd, &st))
			return err_sys(errno, "open %s", path);
		TRY(open_object(b, "shmem-", v->ino, dir));
		TRY(dump_shared(b, fd, st.st_size));
		close(fd);
	}
	return NULL;
}

static struct err *dump_seized(struct bare *b, struct keeper *k, pid_t pid, const char *dir)
{
	struct keeper_parasite par;
	struct vma_list vmas;
	uint64_t t0 = now_us(), delay;

	TRY(proc_read_vmas(pid, &vmas));
	b->s->smaps += now_us() - t0;
	t0 = now_us();
	TRY(keeper_infect(k, pid, 0, &par));
	b->s->prepare += now_us() - t0;
	delay = run_delay_us(pid);

	t0 = now_us();
	struct err *e = open_pagemap(b, pid);

	b->sock = par.sock;
	if (!e)
		e = open_object(b, "", (uint64_t)pid, dir);
	if (!e)
		e = dump_private(b, &vmas);
	if (!e)
		e = dump_objects(b, pid, &vmas, dir);
	close(b->pagemap_fd);
	b->s->main += now_us() - t0;
	b->s->delay += run_delay_us(pid) - delay;
	close(par.sock);
	vma_list_deinit(&vmas);
	return err_first(e, keeper_cure(k, pid));
}

struct err *sample_bare(const pid_t *pid, size_t nr, const char *dir, bool splice_per_iov,
			struct sample *s)
{
	struct bare *b = xzalloc(sizeof(*b));
	struct keeper *k;
	size_t held = 0;

	b->s = s;
	b->splice_per_iov = splice_per_iov;
	TRY(make_pipes(b));
	TRY(keeper_start(keeper_main, &k));

	uint64_t t0 = now_us();
	struct err *e = NULL;

	while (held < nr && !e) {
		struct keeper_task task;

		e = keeper_seize(k, pid[held], &task);
		if (!e) {
			keeper_task_deinit(&task);
			held++;
		}
	}
	s->attach = now_us() - t0;
	for (size_t i = 0; i < nr && !e; i++)
		e = dump_seized(b, k, pid[i], dir);
	s->scan = s->main - s->drain - s->write;
	while (held)
		e = err_first(e, keeper_release(k, pid[--held]));
	s->total = now_us() - t0;
	s->attach += s->smaps;
	s->peak_kib = status_kib(getpid(), "VmHWM:");
	s->keeper_peak_kib = status_kib(keeper_pid(k), "VmHWM:");
	free(b);
	return err_first(e, keeper_stop(k));
}
