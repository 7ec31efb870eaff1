/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The archive side of image_dir.h; only image_dir.c includes it. */
#ifndef STEPDUMP_ARCHIVE_H
#define STEPDUMP_ARCHIVE_H

#include <sys/stat.h>

#include "engine/image/image_dir.h"

#define ARCHIVE_FILES_MAX 100000u

/* A file of the archive that matters. */
struct archive_file {
	char *path; /* relative, without "." and ".." */
	uint64_t size;
	bool pages;  /* pages-N.img: unpacked when it is wanted */
	bool sparse; /* kept with its holes, as by tar --sparse */
	bool wanted;
};

struct archive_list {
	struct archive_file *v;
	size_t nr;
	struct {
		char *path, *target;
	} * link; /* parent links, both relative to the root of the archive */
	size_t nr_links;
	size_t nr_ignored; /* paths that would leave the archive, and links of other kinds */
};

/* Mode of a file whose contents are not unpacked; nobody else looks at the sticky bit of a file. */
#define ARCHIVE_LEFT_OUT (S_ISVTX | 0600)

/* Lists `path` and unpacks into rootfd what is no page; pages files get their length. */
struct err *archive_unpack(const char *path, int rootfd, const volatile sig_atomic_t *stop,
			   struct archive_list *ret);
/* Then the contents of those that are marked as wanted. */
struct err *archive_unpack_pages(const char *path, int rootfd, const volatile sig_atomic_t *stop,
				 const struct archive_list *l);
void archive_list_deinit(struct archive_list *l);

/* archive_about.c: what config.dump and spec.dump beside a checkpoint/ say of the container. */
void archive_about(int dirfd, char ***about, size_t *nr);

#endif
