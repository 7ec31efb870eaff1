/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/vec.h"
#include "engine/pages/uffd_copy.h"
#include "engine/proc/proc.h"

#define TMPFS_MAGIC 0x01021994
#define STEP_BYTES (2u << 20)
#define SPARE_BYTES (256u << 10) /* vdso and what a running process adds */
#define KEEP_FREE 16u            /* 1/16 of the file system stays free */
#define MAX_TASKS 4096u

/* ---- how much ----------------------------------------------------------------------------------- */

struct estimate {
	struct reserve_plan tasks, objects;
	pid_t *pid; /* owned */
	size_t nr_pids;
	struct seen {
		dev_t dev;
		ino_t ino;
	} * seen; /* shared objects; owned */
	size_t nr_seen;
	pid_t current;
};

/* Memory that is dumped with the object that it belongs to; see vma_is_shmem(). */
static bool estimate_is_object(const struct proc_map *m)
{
	return m->perms[3] == 's' &&
	       (!strncmp(m->name, "/memfd:", 7) || !strncmp(m->name, "/SYSV", 5) ||
		!strncmp(m->name, "/dev/zero", 9));
}

static bool estimate_map(const struct proc_map *m, void *arg)
{
	struct estimate *es = arg;
	char path[96];
	struct stat st;

	if (!estimate_is_object(m))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", es->current, m->start, m->end);
	if (stat(path, &st))
		return true;
	for (size_t i = 0; i < es->nr_seen; i++)
		if (es->seen[i].ino == st.st_ino && es->seen[i].dev == st.st_dev)
			return true;
	*vec_push(es->seen, es->nr_seen) = (struct seen){ st.st_dev, st.st_ino };
	*vec_push(es->objects.bytes, es->objects.nr) = (uint64_t)st.st_blocks * 512;
	return true;
}

static void estimate_task(struct estimate *es, pid_t pid)
{
	struct proc_status st = { 0 };

	err_free(proc_read_status(pid, &st));
	*vec_push(es->tasks.bytes, es->tasks.nr) =
		PAGE_UP(st.rss_anon + st.vm_swap + st.hugetlb + SPARE_BYTES);
	es->current = pid;
	err_free(proc_each_map(pid, estimate_map, es));
}

void reserve_tasks(pid_t pid, bool tree, pid_t **ret, size_t *nr_ret)
{
	pid_t *pids = NULL;
	size_t nr = 0;

	*vec_push(pids, nr) = pid;
	for (size_t i = 0; tree && i < nr; i++) {
		struct proc_children c = { 0 };

		err_free(proc_read_children(pids[i], &c));
		for (size_t k = 0; k < c.nr && nr < MAX_TASKS; k++)
			*vec_push(pids, nr) = c.pid[k];
		proc_children_deinit(&c);
	}
	*ret = pids;
	*nr_ret = nr;
}

void reserve_estimate(pid_t pid, bool tree, struct reserve_plan *ret)
{
	struct estimate es = { 0 };

	reserve_tasks(pid, tree, &es.pid, &es.nr_pids);
	for (size_t i = 0; i < es.nr_pids; i++)
		estimate_task(&es, es.pid[i]);
	for (size_t i = 0; i < es.objects.nr; i++)
		*vec_push(es.tasks.bytes, es.tasks.nr) = es.objects.bytes[i];
	free(es.objects.bytes);
	free(es.pid);
	free(es.seen);
	*ret = es.tasks;
}

void reserve_plan_deinit(struct reserve_plan *p)
{
	free(p->bytes);
	*p = (struct reserve_plan){ 0 };
}

/* ---- the files ------------------------------------------------------------------------------------ */

/* One file, which two threads allocate step by step: fallocate() holds the lock of the inode, copying
 * through a userfaultfd does not. */
struct allocation {
	int fd;
	uint64_t bytes;
	uint64_t next; /* atomic */
	int error;     /* atomic: -errno */
	const volatile sig_atomic_t *interrupted;
};

static bool allocation_step(struct allocation *a, uint64_t *start_ret, uint64_t *len_ret)
{
	uint64_t start = __atomic_fetch_add(&a->next, STEP_BYTES, __ATOMIC_RELAXED);

	if (start >= a->bytes || *a->interrupted || __atomic_load_n(&a->error, __ATOMIC_RELAXED))
		return false;
	*start_ret = start;
	*len_ret = a->bytes - start < STEP_BYTES ? a->bytes - start : STEP_BYTES;
	return true;
}

static void *allocate_by_copying(void *arg)
{
	struct allocation *a = arg;
	AUTO_FREE char *zeroes = xcalloc(1, STEP_BYTES);
	uint64_t start, len;

	while (allocation_step(a, &start, &len)) {
		struct uffd_window w;
		int err = uffd_window_open(&w, a->fd, start, len);

		if (!err) {
			err = uffd_window_copy(&w, start, zeroes, len);
			uffd_window_close(&w);
		} else if (fallocate(a->fd, 0, (off_t)start, (off_t)len) == 0) {
			err = 0;
		}
		if (err)
			__atomic_store_n(&a->error, err, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void allocate_directly(struct allocation *a)
{
	uint64_t start, len;

	while (allocation_step(a, &start, &len))
		if (RETRY(fallocate(a->fd, 0, (off_t)start, (off_t)len)) && !*a->interrupted)
			__atomic_store_n(&a->error, -errno, __ATOMIC_RELAXED);
}

/* 0 or -errno. */
static int allocate(int fd, uint64_t bytes, const volatile sig_atomic_t *interrupted)
{
	struct allocation a = { .fd = fd, .bytes = bytes, .interrupted = interrupted };
	sigset_t all, before;
	pthread_t helper;

	if (ftruncate(fd, (off_t)bytes))
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for us */
	bool helped = sysconf(_SC_NPROCESSORS_ONLN) >= 2 && bytes > 2 * STEP_BYTES &&
		      !pthread_create(&helper, NULL, allocate_by_copying, &a);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	allocate_directly(&a);
	if (helped)
		pthread_join(helper, NULL);
	return a.error;
}

/* The directory that it will be in. */
static bool reserve_is_worth_it(const struct staging *st, uint64_t bytes)
{
	struct statfs fs;

	return !fstatfs(staging_dirfd(st), &fs) && fs.f_type == TMPFS_MAGIC &&
	       (!fs.f_blocks || /* without a limit */
		bytes / (uint64_t)fs.f_bsize + fs.f_blocks / KEEP_FREE <= fs.f_bavail);
}

static int reserve_one(int dirfd, size_t n, uint64_t bytes,
		       const volatile sig_atomic_t *interrupted)
{
	char name[32];

	snprintf(name, sizeof(name), "pages-%zu.img", n);
	AUTO_CLOSE int fd = create_private(dirfd, name, O_RDWR | O_EXCL);

	return fd < 0 ? -errno : allocate(fd, bytes, interrupted);
}

struct err *reserve_files(const char *dir, struct staging_guard guard, const struct reserve_plan *p,
			  const volatile sig_atomic_t *interrupted, struct staging **staging_ret,
			  uint64_t *bytes_ret)
{
	struct staging *st;
	uint64_t bytes = 0;
	int err = 0;

	*staging_ret = NULL;
	*bytes_ret = 0;
	for (size_t i = 0; i < p->nr; i++)
		bytes += p->bytes[i];
	TRY(staging_create(dir, guard, &st));
	if (!reserve_is_worth_it(st, bytes))
		return staging_discard(st);
	for (size_t i = 0; i < p->nr && !err && !*interrupted; i++)
		err = reserve_one(staging_dirfd(st), i + 1, p->bytes[i], interrupted);
	if (err || *interrupted) /* the dump will tell what is in its way */
		return err_first(*interrupted ? err_new(ERR_INTERRUPTED,
							"interrupted while room for the pages was "
							"reserved; the target was not touched") :
						NULL,
				 staging_discard(st));
	*staging_ret = st;
	*bytes_ret = bytes;
	return NULL;
}

void reserve_drop(int dirfd, unsigned used, unsigned nr)
{
	for (unsigned n = used + 1; n <= nr; n++) {
		char name[32];

		snprintf(name, sizeof(name), "pages-%u.img", n);
		unlinkat(dirfd, name, 0);
	}
}
