/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Are the files that the tasks map still there, as they were?  CRIU does not dump them, and its restore
 * refuses one whose size, mode or build id is another.  The set itself is fine then, but not here.
 *
 * Mirrors: criu/files-reg.c validate_file().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/build_id.h"
#include "engine/image/pbwire.h"
#include "engine/image/verify_priv.h"
#include "proto/files.pb-c.h"

enum { REMAP_ORIG_ID = 1 };

struct mapped {
	struct verify *v;
	uint64_t *remap; /* ids of files that the set itself brings along, or finds elsewhere */
	size_t nr_remaps;
};

static void mapped_load_remaps(struct mapped *m)
{
	const char *file = "remap-fpath.img";
	struct image_reader *r;
	const uint8_t *data;
	size_t len;
	uint64_t id;
	AUTO_ERR struct err *e = NULL;

	if (!verify_has(m->v, file) || verify_is_bad(m->v, file))
		return;
	e = image_open_as(m->v->dirfd, file, image_desc_by_name(file, NULL), &r);
	if (e)
		return;
	while (!(e = image_next_raw(r, &data, &len)) && data)
		if (pb_uint(data, len, REMAP_ORIG_ID, &id))
			*vec_push(m->remap, m->nr_remaps) = id;
	image_close(r);
}

static bool mapped_is_remap(const struct mapped *m, uint64_t id)
{
	for (size_t i = 0; i < m->nr_remaps; i++)
		if (m->remap[i] == id)
			return true;
	return false;
}

static void mapped_elsewhere(struct verify *v, const char *name, const char *why)
{
	v->r->nr_elsewhere++;
	verify_find(v, false, "files.img", NO_ENTRY, NULL,
		    "%s, which is mapped, %s; CRIU refuses that", name, why);
}

/* CRIU keeps the id in words of 32 bits, the last one filled up with zeroes. */
static bool mapped_same_build_id(const Criu__RegFileEntry *f, int fd)
{
	uint8_t id[BUILD_ID_MAX + 4] = { 0 }, was[BUILD_ID_MAX + 4] = { 0 };
	size_t size = build_id_read(fd, id), words = (size + 3) / 4;

	if (f->n_build_id > BUILD_ID_MAX / 4)
		return true;
	for (size_t i = 0; i < f->n_build_id; i++)
		memcpy(was + 4 * i, &f->build_id[i], 4);
	return words == f->n_build_id && !memcmp(id, was, 4 * words);
}

static bool mapped_was_deleted(const char *name)
{
	static const char suffix[] = " (deleted)";
	size_t len = strlen(name);

	return len >= sizeof(suffix) && !strcmp(name + len - (sizeof(suffix) - 1), suffix);
}

static void mapped_file(struct verify *v, const Criu__RegFileEntry *f)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	AUTO_FREE char *was = NULL;

	/* It was gone before the dump was made. */
	if (mapped_was_deleted(f->name))
		return;
	if (stat(f->name, &st))
		was = xasprintf("is not here: %s", strerror(errno));
	else if (f->has_size && (uint64_t)st.st_size != f->size)
		was = xasprintf("has %lu bytes here, and had %lu", (uint64_t)st.st_size, f->size);
	else if (f->has_mode && f->mode != st.st_mode)
		was = xasprintf("has mode %o here, and had %o", st.st_mode, f->mode);
	else if (f->n_build_id && S_ISREG(st.st_mode)) {
		fd = open(f->name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0 && !mapped_same_build_id(f, fd))
			was = xstrdup("has another build id here");
	}
	if (was)
		mapped_elsewhere(v, f->name, was);
}

/* Its paths mean something in the container alone. */
static bool mapped_in_container(const struct verify *v)
{
	for (size_t i = 0; i < v->nr_names; i++)
		if (!strncmp(v->name[i], "mountpoints-", 12) || !strncmp(v->name[i], "mnts-", 5))
			return true;
	return false;
}

static void mapped_entry(struct mapped *m, const Criu__FileEntry *f)
{
	if (f->reg && !(f->reg->has_ext && f->reg->ext) && !mapped_is_remap(m, f->id) &&
	    verify_is_mapped(m->v, f->id))
		mapped_file(m->v, f->reg);
}

void verify_mapped(struct verify *v)
{
	struct mapped m = { .v = v };
	struct image_reader *r;
	ProtobufCMessage *msg;
	AUTO_ERR struct err *e = NULL;

	if (v->no_files || v->mm_unread)
		return;
	if (mapped_in_container(v)) {
		verify_find(v, false, "files.img", NO_ENTRY, NULL,
			    "of a mount namespace of its own: whether the files that are mapped "
			    "are in the container's root was not looked at");
		return;
	}
	mapped_load_remaps(&m);
	e = image_open(v->dirfd, "files.img", IMG_FILES, &r);
	if (!e) {
		while (!(e = image_next(r, &msg)) && msg) {
			mapped_entry(&m, (Criu__FileEntry *)msg);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
		image_close(r);
	}
	free(m.remap);
}
