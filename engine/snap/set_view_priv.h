/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What set_view*.c share. */
#ifndef STEPDUMP_SET_VIEW_PRIV_H
#define STEPDUMP_SET_VIEW_PRIV_H

#include "engine/image/image.h"
#include "engine/image/image_dir.h"
#include "engine/image/image_set.h"
#include "engine/session/set_view.h"
#include "engine/snap/snap_priv.h"

struct set_view {
	struct image_dir dir;
	int dirfd; /* of `dir` */
	struct image_set *set;
	struct set_memory *m;
	const struct set_task *task; /* NULL: pstree.img does not have it */
};

/* set_view_pages.c */
void set_view_pages(struct set_view *v, const struct snap_request *req, Stepdump__Snapshot *snap);
void set_view_holes(struct set_view *v, Stepdump__Snapshot *snap);
void set_view_parents(struct set_view *v, const struct snap_request *req, Stepdump__Snapshot *snap);
/* set_view_files.c */
struct err *set_view_shmem(struct set_view *v, Stepdump__Snapshot *snap);
struct err *set_view_files(struct set_view *v, Stepdump__Snapshot *snap);

#endif
