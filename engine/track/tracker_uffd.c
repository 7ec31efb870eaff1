/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Asynchronous write-protection by userfaultfd: the kernel itself lifts the protection of a page
 * at the first store and remembers it; nobody ever reads the descriptor, and no store waits.
 * PAGEMAP_SCAN reads what was written.  A userfaultfd acts on the memory of the task that made it,
 * whoever uses it: it is made inside the target, and then only we hold it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/vec.h"
#include "engine/track/tracker_priv.h"
#include "engine/pages/pagemap.h"
#include "engine/proc/proc.h"

/* <linux/userfaultfd.h> of the build machine may be older. */
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC (1ull << 15)
#define USER_MODE_ONLY 1

/* A scan holds the target's mmap_lock all the way: no more than this at a time. */
#define SCAN_CHUNK (1ull << 30)
#define SCAN_REGIONS 512u

/* ---- the descriptor --------------------------------------------------------------- */

/* Taken out of the target at once: a copy left there would keep the registration alive without us,
 * and CRIU refuses tasks that have one. */
static struct err *take_userfaultfd(struct keeper *k, pid_t pid, int *fd_ret)
{
	uint64_t args[6] = { O_CLOEXEC | O_NONBLOCK };
	int64_t ret;

	TRY(keeper_take_fd(k, pid, SYS_userfaultfd, args, &ret, fd_ret));
	if (ret == -EPERM) {
		/* Without a privilege the target gets only this one.  Asynchronous protection
		 * loses nothing by it: stores of the kernel are lifted and seen too. */
		args[0] |= USER_MODE_ONLY;
		TRY(keeper_take_fd(k, pid, SYS_userfaultfd, args, &ret, fd_ret));
	}
	if (ret < 0)
		return err_hint(err_sys((int)-ret, "userfaultfd() in %d", pid),
				ret == -EMFILE ? "the target is at its limit of open files" :
						 "the target may not use userfaultfd");
	return NULL;
}

struct err *uffd_obtain(struct tracker *t, struct keeper *k)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED };
	struct err *e = take_userfaultfd(k, t->pid, &t->uffd);

	if (!e && ioctl(t->uffd, UFFDIO_API, &api))
		e = err_sys(errno, "UFFDIO_API: asynchronous write-protection");
	return err_pid(e, t->pid);
}

/* ---- whose memory is it ------------------------------------------------------------- */

static const char *not_trackable(const struct vma *v)
{
	/* Stores by others, through other mappings or through the file, leave no trace in this
	 * page table. */
	if (!vma_is_private(v))
		return "shared memory: others can write to it unseen";
	/* MADV_DONTNEED leaves the marker of a clean page behind. */
	if ((v->vmf & VMF_HUGETLB) || v->hugepage_kb > 4)
		return "hugetlb: a page given back and taken again looks clean";
	/* The same; and a store takes two faults, with a page that looks clean in between. */
	if (!(v->status & VMA_ANON_PRIVATE) || v->dev || v->ino)
		return "private mapping of a file: a page given back and taken again looks clean";
	if (v->status &
	    (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_SHSTK | VMA_AREA_AIORING))
		return "memory that belongs to the kernel";
	if (v->vmf & (VMF_IO | VMF_PFNMAP | VMF_DROPPABLE))
		return "the kernel cannot write-protect this kind of memory";
	if (v->end > PAGEMAP_TASK_SIZE)
		return "beyond what PAGEMAP_SCAN looks at";
	return NULL;
}

const char *uffd_untrusted(const struct tracker *t, const struct vma *v)
{
	const char *why = not_trackable(v);

	if (why)
		return why;

	size_t i = vec_first(t->nr_untracked, k, t->untracked[k].end > v->start);

	return i < t->nr_untracked && t->untracked[i].start < v->end ? t->untracked[i].why : NULL;
}

static void add_untracked(struct tracker *t, const struct vma *v, const char *why)
{
	*vec_push(t->untracked, t->nr_untracked) = (struct untracked){ v->start, v->end, why };
}

bool uffd_has_rival(pid_t pid)
{
	struct proc_fds fds;
	struct err *e = proc_read_fds(pid, &fds);
	bool rival = false;

	if (e) {
		err_free(e);
		return true;
	}
	for (size_t i = 0; i < fds.nr && !rival; i++) {
		unsigned long long api = 0, features = FEATURE_WP_ASYNC;
		char path[64], *text;
		size_t len;

		if (strcmp(fds.v[i].link, "anon_inode:[userfaultfd]"))
			continue;
		snprintf(path, sizeof(path), "fdinfo/%d", fds.v[i].fd);
		e = proc_read_file(pid, path, &text, &len);
		err_free(e);
		if (!e) {
			const char *line = strstr(text, "API:");

			/* "API:	aa:8000a001:..."; if it looks otherwise, believe the worst */
			if (line)
				sscanf(line, "API: %llx:%llx", &api, &features);
			free(text);
		}
		rival = features & FEATURE_WP_ASYNC;
	}
	proc_fds_deinit(&fds);
	return rival;
}

/* ---- arming ------------------------------------------------------------------------- */

/* Is the VMA at `start` under asynchronous write-protection?  Either all of it, or nothing. */
static struct err *is_registered(int pagemap_fd, uint64_t start, bool *ret)
{
	const struct pagemap_scan_query q = {
		.category_mask = PAGE_IS_WPALLOWED,
		.return_mask = PAGE_IS_WPALLOWED,
	};
	struct page_region r;
	uint64_t walk_end;
	size_t nr;

	TRY(pagemap_scan(pagemap_fd, start, start + PAGE_BYTES, &q, &r, 1, &nr, &walk_end));
	*ret = nr;
	return NULL;
}

/* Memory that could not be registered is untracked, which is not an error: its pages count as
 * dirty. */
static struct err *register_vma(struct tracker *t, int pagemap_fd, const struct vma *v)
{
	struct uffdio_register reg = {
		.range = { .start = v->start, .len = v->end - v->start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect lift = { .range = reg.range };
	bool registered;

	TRY(is_registered(pagemap_fd, v->start, &registered));
	/* Does nothing if the VMA is ours already, and fails if it is somebody else's: arming it
	 * would clear their history. */
	if (FAULT(UFFD_REGISTER, ioctl(t->uffd, UFFDIO_REGISTER, &reg))) {
		add_untracked(t, v,
			      errno == EBUSY ? "registered with a userfaultfd of the target's own" :
					       "the kernel refused to write-protect it");
		return NULL;
	}
	if (registered)
		return NULL;
	/* mremap() next to armed memory can merge VMAs such that the registration is lost, while
	 * protection marks stay on pages that are written to.  A new registration would revive them
	 * as "clean", and arming skips pages that are marked: such a page would never be reported
	 * again.  So every registration begins by lifting all marks. */
	if (!ioctl(t->uffd, UFFDIO_WRITEPROTECT, &lift))
		return NULL;
	ioctl(t->uffd, UFFDIO_UNREGISTER, &reg.range);
	add_untracked(t, v, "the kernel refused to lift its write-protection");
	return NULL;
}

/* Protects what is written.  Holes are left alone: markers would fill page tables, and later look
 * like swapped pages. */
static struct err *arm(int pagemap_fd, uint64_t start, uint64_t end)
{
	const struct pagemap_scan_query q = {
		.flags = PM_SCAN_WP_MATCHING,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	struct page_region r[SCAN_REGIONS];
	size_t nr;

	while (start < end) {
		uint64_t chunk = end - start < SCAN_CHUNK ? end : start + SCAN_CHUNK;

		TRY(pagemap_scan(pagemap_fd, start, chunk, &q, r, SCAN_REGIONS, &nr, &start));
	}
	return NULL;
}

struct err *uffd_reset(struct tracker *t, const struct vma_list *vmas)
{
	struct err *e = NULL;
	int fd;

	/* Not t->pagemap_fd: if the task did exec, that one would still arm the old memory. */
	TRY(pagemap_open(t->pid, &fd));
	t->nr_untracked = 0;
	for (size_t i = 0; i < vmas->nr && !e; i++) {
		const struct vma *v = &vmas->v[i];

		if (not_trackable(v))
			continue;
		e = register_vma(t, fd, v);
		if (!e && !uffd_untrusted(t, v))
			e = arm(fd, v->start, v->end);
	}
	close(fd);
	return e;
}
