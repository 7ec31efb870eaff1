/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Untrusted image files: nothing in them may crash us, hang us, or make us take more memory than
 * the bounds in engine/image/image.c.  First byte: which kind of image; the rest: the file.  As a
 * plain program (see tests/lib/fuzz.h): random images, half of them mutations of those in the
 * directory (named for pid 1), if one is given.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/image/flatdir.h"
#include "engine/image/image.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/verify.h"

#include "tests/lib/fuzz.h"

static char set_path[] = "/dev/shm/stepdump-fuzz.XXXXXX";

static void remove_set_dir(void)
{
	int fd = open(set_path, O_RDONLY | O_DIRECTORY);

	err_free(flatdir_clear(fd, set_path));
	close(fd);
	rmdir(set_path);
}

/* A directory with a set; every input replaces one of its files.  Made once. */
static int set_dir(void)
{
	static int fd = -1;

	if (fd < 0) {
		if (!mkdtemp(set_path) || (fd = open(set_path, O_RDONLY | O_DIRECTORY)) < 0)
			abort();
		atexit(remove_set_dir);
	}
	return fd;
}

static void put(int dirfd, const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

static void read_all(int dirfd, const char *name, enum image_kind kind)
{
	struct image_reader *r;
	ProtobufCMessage *m;
	struct err *e = image_open(dirfd, name, kind, &r);

	if (e) {
		err_free(e);
		return;
	}
	while (!(e = image_next(r, &m)) && m) {
		/* Whatever parses can be written again. */
		if (protobuf_c_message_check(m) &&
		    protobuf_c_message_get_packed_size(m) > UINT32_MAX)
			abort();
		protobuf_c_message_free_unpacked(m, NULL);
	}
	err_free(e);
	image_close(r);
}

static void read_pagemap(int dirfd, const char *name)
{
	struct pagemap_image pi;
	struct err *e = pagemap_image_read(dirfd, name, &pi);

	if (e) {
		err_free(e);
		return;
	}
	uint64_t present = 0;
	for (size_t i = 0; i < pi.nr; i++) {
		if (pagemap_entry_end(&pi.e[i]) < pi.e[i].vaddr ||
		    pi.e[i].pages_off != present << 12)
			abort();
		if (pi.e[i].flags & PE_PRESENT)
			present += pi.e[i].nr_pages;
	}
	if (present != pi.nr_present)
		abort();
	e = pagemap_image_check(&pi, name);
	for (size_t i = 0; i < pi.nr && !e; i++)
		if (pagemap_image_find(&pi, pi.e[i].vaddr) != (ssize_t)i)
			abort();
	err_free(e);
	pagemap_image_deinit(&pi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verify_report report;
	char name[IMAGE_NAME_MAX];
	int dirfd = set_dir();

	if (!size)
		return 0;
	enum image_kind kind = (enum image_kind)(data[0] % IMG_NR);
	image_name(kind, 1, name);
	put(dirfd, name, data + 1, size - 1);
	read_all(dirfd, name, kind);
	if (kind == IMG_PAGEMAP || kind == IMG_SHMEM_PAGEMAP)
		read_pagemap(dirfd, name);
	/* Together with whatever earlier inputs left for the other files. */
	struct err *e = verify_dirfd(dirfd, VERIFY_SPARSE, &report);
	/* A set that is newer than we are is neither right nor wrong. */
	if (!e != !(report.nr_fatal || report.newer))
		abort();
	err_free(e);
	verify_report_deinit(&report);
	return 0;
}

#ifndef LIBFUZZER
/* A random but well-framed image: magics, then entries of random fields. */
static size_t make(uint8_t *out, size_t cap)
{
	const struct image_desc *d = image_desc((enum image_kind)rnd(IMG_NR));
	size_t n = 0;
	uint32_t head = d->framing == FRAMING_SERVICE ? 0x55105940 : 0x54564319;

	out[n++] = (uint8_t)d->kind;
	if (d->framing != FRAMING_INVENTORY) {
		memcpy(out + n, &head, 4);
		n += 4;
	}
	memcpy(out + n, &d->magic, 4);
	n += 4;
	for (uint64_t entries = rnd(6); entries && n + 80 < cap; entries--) {
		uint64_t fields = rnd(14);
		size_t at = n;

		n += 4;
		for (uint32_t f = 1; f <= fields && n + 16 < cap; f++) {
			out[n++] = (uint8_t)(f << 3 & 0x78) | (rnd(8) ? 0 : 2);
			for (uint64_t bytes = rnd(9); bytes; bytes--)
				out[n++] = (uint8_t)(0x80 | rnd(128));
			out[n++] = (uint8_t)rnd(128);
		}
		uint32_t len = (uint32_t)(n - at - 4);
		memcpy(out + at, &len, 4);
	}
	return n;
}

/* Files of a real set, if there is one: name -> kind byte + contents. */
static size_t load(const char *dir, uint8_t *out, size_t cap)
{
	char name[IMAGE_NAME_MAX];
	enum image_kind kind = (enum image_kind)rnd(IMG_NR);
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	int fd = dirfd < 0 ? -1 : openat(dirfd, image_name(kind, 1, name), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, out + 1, cap - 1);

	if (dirfd >= 0)
		close(dirfd);
	if (fd >= 0)
		close(fd);
	out[0] = (uint8_t)kind;
	return n < 0 ? 0 : (size_t)n + 1;
}

static const char *corpus;

static bool one_image(unsigned i)
{
	static uint8_t data[65536];
	size_t n = corpus && rnd(2) ? load(corpus, data, sizeof(data)) : 0;

	if (!n)
		n = make(data, sizeof(data));
	LLVMFuzzerTestOneInput(data, fuzz_mutate(data, 1, n, sizeof(data)));
	return true;
}

int main(int argc, char **argv)
{
	corpus = argc > 2 ? argv[2] : NULL;
	return fuzz_main(argc, argv, one_image, 0, 100);
}
#endif
