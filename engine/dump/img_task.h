/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The images other than pages: enough for crit and for a later `criu dump` that takes the set as
 * its parent; a full checkpoint has the same images.
 *
 * A set is written in this order (any order is valid; ids are given by file_table_add()):
 *	file_table_create, file_table_add for every task, img_files_write,
 *	img_pstree_write, img_core_write, img_ids_write, img_mm_write, img_inventory_write,
 *	img_stats_write.
 * Mirrors: criu/pstree.c, criu/mem.c dump_task_mm(), criu/files-reg.c, criu/memfd.c.
 */
#ifndef STEPDUMP_IMG_TASK_H
#define STEPDUMP_IMG_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/dump/task_info.h"
#include "engine/proc/vma.h"
#include "proto/stats.pb-c.h"

/* ---- files.img, memfd.img ------------------------------------------------ */

struct file_table;

struct file_table *file_table_create(void);
/* NULL is fine. */
void file_table_destroy(struct file_table *ft);
/*
 * file_table_add - add all files that `vmas` map, and the executable (*exe_id_ret). Sets vma.shmid
 * of every VMA that maps a file or a memfd to its file id; mappings of the same file with the same
 * fdflags share an id.  Sizes come from map_files or, without the right to use it, from the path if
 * it still leads to the same inode; else they are left out.
 * Fails: ERR_REFUSED for a memfd that cannot be opened.
 */
struct err *file_table_add(struct file_table *ft, const struct task_info *ti, struct vma_list *vmas,
			   uint32_t *exe_id_ret);
/* Writes files.img, and memfd.img if there is a memfd. */
struct err *img_files_write(const struct file_table *ft, int dirfd);

/* ---- one task ------------------------------------------------------------ */

/* The range of a guard region: [start, end). */
struct guard_range {
	uint64_t start, end;
};

/*
 * img_mm_write - mm-PID.img: all VMAs, then guard ranges as pseudo-VMAs, then AIO rings.
 * Fails: ERR_CHECK for a VMA that must not be in an image (VMA_UNSUPP).
 */
struct err *img_mm_write(int dirfd, const struct task_info *ti, const struct vma_list *vmas,
			 const struct guard_range *guards, size_t nr_guards, uint32_t exe_id);
/* core-PID.img: name and state of the task, no registers (crit x ps needs it). */
struct err *img_core_write(int dirfd, const struct task_info *ti);
/* ids-PID.img.  `seq` is 1 for the first task, 2 for the next: nothing is shared between two. */
struct err *img_ids_write(int dirfd, const struct task_info *ti, uint32_t seq);

/* ---- the set ------------------------------------------------------------- */

/* pstree.img.  parent[i] is the index of the parent of task i, below i; -1: the root. */
struct err *img_pstree_write(int dirfd, const struct task_info *const *tasks, const int *parent,
			     size_t nr);
/* inventory.img of a full set.  dump_uptime_us: when dirty tracking was reset; 0: it was not. */
struct err *img_inventory_write(int dirfd, uint64_t dump_uptime_us);
/* inventory.img of a pre-dump: pagemaps, pages and this are the whole set.
 * mode: 1 spliced while frozen, 2 read afterwards. */
struct err *img_pre_dump_inventory_write(int dirfd, uint64_t dump_uptime_us, uint32_t mode);
/* stats-dump. */
struct err *img_stats_write(int dirfd, const Criu__DumpStatsEntry *stats);
/* What stats-dump is replaced by, for a moment. */
#define IMG_STATS_NEW ".stats-dump.new"
/* The same in a published set: whoever looks sees the old one or the new one.  Durable. */
struct err *img_stats_replace(int dirfd, const Criu__DumpStatsEntry *stats);

#endif
