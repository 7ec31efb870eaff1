/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors criu/pstree.c dump_pstree(), criu/cr-dump.c dump_task_mm(), criu/image.c
 * write_img_inventory(), criu/stats.c write_stats(). */
#include "engine/dump/img_task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/vec.h"
#include "engine/arch/arch.h"
#include "engine/image/image.h"
#include "proto/inventory.pb-c.h"
#include "proto/mm.pb-c.h"
#include "proto/pstree.pb-c.h"

#define IMG_VERSION 2

/* ---- mm-PID.img ---------------------------------------------------------- */

static struct err *img_fill_vma(Criu__VmaEntry *m, const struct vma *v)
{
	if (v->status & VMA_UNSUPP)
		return err_vaddr(err_new(ERR_CHECK,
					 "VMA %lx-%lx (%s) must not be in "
					 "an image",
					 v->start, v->end, vma_kind(v)),
				 v->start);
	criu__vma_entry__init(m);
	m->start = v->start;
	m->end = v->end;
	m->pgoff = v->pgoff;
	m->shmid = v->shmid;
	m->prot = v->prot;
	m->flags = v->flags;
	m->status = v->status;
	m->fd = -1;
	m->has_madv = v->madv != 0;
	m->madv = v->madv;
	m->has_fdflags = v->has_fdflags;
	m->fdflags = v->fdflags;
	return NULL;
}

static void img_fill_guard(Criu__VmaEntry *m, const struct guard_range *g)
{
	criu__vma_entry__init(m);
	m->start = g->start;
	m->end = g->end;
	m->status = VMA_AREA_GUARD;
	m->fd = -1;
}

/* How many events were asked for: the kernel rounds the ring (a 32-byte header and 32-byte slots)
 * up to pages, and keeps half of the remaining slots for itself (fs/aio.c aio_setup_ring()). */
static uint32_t img_aio_nr_req(uint64_t ring_len)
{
	return (uint32_t)(((ring_len - 32) / 32 - 2) / 2);
}

static void img_fill_aio(Criu__AioRingEntry *m, const struct vma *v)
{
	criu__aio_ring_entry__init(m);
	m->id = v->start;
	m->ring_len = (uint32_t)(v->end - v->start);
	m->nr_req = img_aio_nr_req(v->end - v->start);
}

struct err *img_mm_write(int dirfd, const struct task_info *ti, const struct vma_list *vmas,
			 const struct guard_range *guards, size_t nr_guards, uint32_t exe_id)
{
	Criu__MmEntry mm = CRIU__MM_ENTRY__INIT;
	size_t nr = vmas->nr + nr_guards;
	AUTO_FREE Criu__VmaEntry *vma = xcalloc(nr, sizeof(*vma));
	AUTO_FREE Criu__VmaEntry **vma_ptr = xcalloc(nr, sizeof(*vma_ptr));
	AUTO_FREE Criu__AioRingEntry *aio = NULL;
	AUTO_FREE Criu__AioRingEntry **aio_ptr = NULL;

	for (size_t i = 0; i < nr; i++) {
		vma_ptr[i] = &vma[i];
		if (i >= vmas->nr) {
			img_fill_guard(&vma[i], &guards[i - vmas->nr]);
			continue;
		}
		TRY(img_fill_vma(&vma[i], &vmas->v[i]));
		if (vmas->v[i].status & VMA_AREA_AIORING)
			img_fill_aio(vec_push(aio, mm.n_aios), &vmas->v[i]);
	}
	aio_ptr = xcalloc(mm.n_aios, sizeof(*aio_ptr));
	for (size_t i = 0; i < mm.n_aios; i++)
		aio_ptr[i] = &aio[i];
	mm.n_vmas = nr;
	mm.vmas = vma_ptr;
	mm.aios = aio_ptr;

	mm.mm_start_code = ti->stat.start_code;
	mm.mm_end_code = ti->stat.end_code;
	mm.mm_start_data = ti->stat.start_data;
	mm.mm_end_data = ti->stat.end_data;
	mm.mm_start_stack = ti->stat.start_stack;
	mm.mm_start_brk = ti->stat.start_brk;
	mm.mm_brk = ti->brk;
	mm.mm_arg_start = ti->stat.arg_start;
	mm.mm_arg_end = ti->stat.arg_end;
	mm.mm_env_start = ti->stat.env_start;
	mm.mm_env_end = ti->stat.env_end;
	mm.exe_file_id = exe_id;
	mm.n_mm_saved_auxv = ti->nr_auxv;
	mm.mm_saved_auxv = ti->auxv;
	mm.has_dumpable = true;
	mm.dumpable = ti->dumpable;
	mm.has_thp_disabled = true;
	mm.thp_disabled = ti->thp_disabled;
	return image_write_one(dirfd, IMG_MM, (uint64_t)ti->ns_pid, &mm.base);
}

/* ---- core-PID.img, ids-PID.img -------------------------------------------- */

enum { TASK_ALIVE = 1, TASK_STOPPED = 3 };

struct err *img_core_write(int dirfd, const struct task_info *ti)
{
	Criu__CoreEntry core = CRIU__CORE_ENTRY__INIT;
	Criu__TaskCoreEntry tc = CRIU__TASK_CORE_ENTRY__INIT;

	core.mtype = ARCH_CORE_MTYPE;
	tc.task_state = ti->was_stopped ? TASK_STOPPED : TASK_ALIVE;
	tc.personality = ti->personality;
	tc.flags = ti->stat.flags;
	tc.comm = (char *)ti->stat.comm;
	core.tc = &tc;
	return image_write_one(dirfd, IMG_CORE, (uint64_t)ti->ns_pid, &core.base);
}

/* The dumper's own ids are 1 for task objects, and 1 to 8 for namespaces in the order of NS_*.
 * Task number `seq` has ids of its own, except for the namespaces that it shares with the dumper;
 * 0: the dumper. */
static void img_fill_ids(Criu__TaskKobjIdsEntry *m, const uint64_t ns[NS_NR], uint32_t seq)
{
	uint32_t *id[NS_NR] = { &m->pid_ns_id, &m->net_ns_id,  &m->ipc_ns_id,    &m->uts_ns_id,
				&m->mnt_ns_id, &m->user_ns_id, &m->cgroup_ns_id, &m->time_ns_id };
	uint64_t self[NS_NR];

	task_namespaces(0, self);
	m->vm_id = m->files_id = m->fs_id = m->sighand_id = seq + 1;
	m->has_pid_ns_id = m->has_net_ns_id = m->has_ipc_ns_id = m->has_uts_ns_id = true;
	m->has_mnt_ns_id = m->has_user_ns_id = m->has_cgroup_ns_id = m->has_time_ns_id = true;
	for (uint32_t i = 0; i < NS_NR; i++)
		*id[i] = (seq && ns[i] != self[i] ? NS_NR * seq : 0) + i + 1;
}

struct err *img_ids_write(int dirfd, const struct task_info *ti, uint32_t seq)
{
	Criu__TaskKobjIdsEntry m = CRIU__TASK_KOBJ_IDS_ENTRY__INIT;

	img_fill_ids(&m, ti->ns, seq);
	return image_write_one(dirfd, IMG_IDS, (uint64_t)ti->ns_pid, &m.base);
}

/* ---- pstree.img, inventory.img, stats-dump -------------------------------- */

static struct err *img_write_pstree_entry(struct image_writer *w, const struct task_info *ti,
					  pid_t ppid)
{
	Criu__PstreeEntry m = CRIU__PSTREE_ENTRY__INIT;

	_Static_assert(sizeof(pid_t) == sizeof(uint32_t), "tids are written in place");
	m.pid = (uint32_t)ti->ns_pid;
	m.ppid = (uint32_t)ppid;
	m.pgid = (uint32_t)ti->ns_pgid;
	m.sid = (uint32_t)ti->ns_sid;
	m.n_threads = ti->nr_tids;
	m.threads = (uint32_t *)ti->ns_tids;
	return image_write(w, &m.base);
}

struct err *img_pstree_write(int dirfd, const struct task_info *const *tasks, const int *parent,
			     size_t nr)
{
	struct image_writer *w;
	struct err *e = NULL;
	char name[IMAGE_NAME_MAX];

	TRY(image_create(dirfd, image_name(IMG_PSTREE, 0, name), IMG_PSTREE, &w));
	for (size_t i = 0; i < nr && !e; i++)
		e = img_write_pstree_entry(w, tasks[i],
					   parent[i] < 0 ? 0 : tasks[parent[i]]->ns_pid);
	return err_first(e, image_finish(w));
}

struct err *img_inventory_write(int dirfd, uint64_t dump_uptime_us)
{
	Criu__InventoryEntry m = CRIU__INVENTORY_ENTRY__INIT;
	Criu__TaskKobjIdsEntry root = CRIU__TASK_KOBJ_IDS_ENTRY__INIT;

	img_fill_ids(&root, NULL, 0);
	m.img_version = IMG_VERSION;
	m.has_fdinfo_per_id = m.fdinfo_per_id = true;
	m.has_ns_per_id = m.ns_per_id = true;
	m.root_ids = &root;
	m.has_dump_uptime = dump_uptime_us != 0;
	m.dump_uptime = dump_uptime_us;
	return image_write_one(dirfd, IMG_INVENTORY, 0, &m.base);
}

struct err *img_pre_dump_inventory_write(int dirfd, uint64_t dump_uptime_us, uint32_t mode)
{
	Criu__InventoryEntry m = CRIU__INVENTORY_ENTRY__INIT;

	m.img_version = 0;
	m.has_dump_uptime = true;
	m.dump_uptime = dump_uptime_us;
	m.has_pre_dump_mode = true;
	m.pre_dump_mode = mode;
	return image_write_one(dirfd, IMG_INVENTORY, 0, &m.base);
}

struct err *img_stats_write(int dirfd, const Criu__DumpStatsEntry *stats)
{
	Criu__StatsEntry m = CRIU__STATS_ENTRY__INIT;

	m.dump = (Criu__DumpStatsEntry *)stats;
	return image_write_one(dirfd, IMG_STATS_DUMP, 0, &m.base);
}

static struct err *img_stats_write_new(int dirfd, const Criu__DumpStatsEntry *stats)
{
	Criu__StatsEntry m = CRIU__STATS_ENTRY__INIT;
	struct image_writer *w;

	m.dump = (Criu__DumpStatsEntry *)stats;
	TRY(image_create(dirfd, IMG_STATS_NEW, IMG_STATS_DUMP, &w));

	struct err *e = image_write(w, &m.base);

	TRY(err_first(e, image_finish(w)));

	AUTO_CLOSE int fd = openat(dirfd, IMG_STATS_NEW, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? err_sys(errno, "make " IMG_STATS_NEW " durable") : NULL;
}

struct err *img_stats_replace(int dirfd, const Criu__DumpStatsEntry *stats)
{
	char name[IMAGE_NAME_MAX];
	struct err *e = img_stats_write_new(dirfd, stats);

	image_name(IMG_STATS_DUMP, 0, name);
	if (!e && FAULT(FINAL_RENAME, renameat(dirfd, IMG_STATS_NEW, dirfd, name)))
		e = err_sys(errno, "rename " IMG_STATS_NEW " to %s", name);
	if (e)
		unlinkat(dirfd, IMG_STATS_NEW, 0);
	return e;
}
