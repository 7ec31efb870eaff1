/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Archives from a stranger: tars with names that lead out, links, lengths that lie, headers that are changed.  Nothing in
 * them may crash or hang image_dir_open(), reach outside of the temporary directory, stay there, or take much memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/image/image_dir.h"
#include "engine/image/verify.h"

#include "tests/lib/fuzz.h"
#include "tests/lib/images.h"

#define BLOCK 512u
#define TAR_MAX (96u * BLOCK)
#define MEMORY_MAX_KB (400u << 10)

static char base[] = "/dev/shm/stepdump-fuzz.XXXXXX";
static char tmp[64], beside[64], tar_path[64];

/* ---- a tar ----------------------------------------------------------------------------------- */

static uint8_t tar[TAR_MAX];
static size_t used;

static void octal(uint8_t *at, size_t width, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*lo", (int)width - 1, v);
	memcpy(at, text, width - 1);
	at[width - 1] = 0;
}

static void checksum(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += h[i];
	octal(h + 148, 7, sum);
}

static const char *odd_name(void)
{
	static const char *const names[] = {
		"checkpoint/inventory.img",
		"checkpoint/pagemap-42.img",
		"checkpoint/pages-1.img",
		"checkpoint/mm-42.img",
		"checkpoint/parent",
		"./checkpoint/pstree.img",
		"inventory.img",
		"pagemap-42.img",
		"pages-1.img",
		"config.dump",
		"spec.dump",
		"pre-checkpoint/pagemap-42.img",
		"pre-checkpoint/pages-1.img",
		"../inventory.img",
		"/dev/shm/inventory.img",
		"a/../../inventory.img",
		"checkpoint/../../pages-1.img",
		"checkpoint/parent/inventory.img",
		"../beside/inventory.img",
		"a/b/c/d/e/f/g/h/i/j/inventory.img",
		"checkpoint//pages-1.img",
		"checkpoint",
		"parent",
		"parent/pagemap-42.img",
		"",
		".",
		"..",
		"inventory.img/pages-1.img",
	};

	return names[rnd(sizeof(names) / sizeof(names[0]))];
}

static const char *odd_target(void)
{
	static const char *const targets[] = { "../pre-checkpoint", "..",     "../..", "/",
					       "../../beside",      "parent", ".",     "checkpoint",
					       "../checkpoint",     "" };

	return targets[rnd(sizeof(targets) / sizeof(targets[0]))];
}

static uint64_t odd_size(size_t len)
{
	static const uint64_t odd[] = { 0, 1, 4096, 1ull << 20, 1ull << 32, 077777777777ull };

	return rnd(8) ? len : odd[rnd(sizeof(odd) / sizeof(odd[0]))];
}

static void add_entry(const char *name, char type, const void *data, size_t len)
{
	uint8_t *h = tar + used;
	size_t padded = (len + BLOCK - 1) / BLOCK * BLOCK;

	if (used + BLOCK + padded + 2 * BLOCK > TAR_MAX)
		return;
	memset(h, 0, BLOCK + padded);
	snprintf((char *)h, 100, "%s", name);
	octal(h + 100, 8, 0644);
	octal(h + 108, 8, 0);
	octal(h + 116, 8, 0);
	octal(h + 124, 12, type == '0' ? odd_size(len) : 0);
	octal(h + 136, 12, 0);
	h[156] = (uint8_t)type;
	if (type == '1' || type == '2')
		snprintf((char *)h + 157, 100, "%s", odd_target());
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	checksum(h);
	if (len)
		memcpy(h + BLOCK, data, len);
	used += BLOCK + padded;
}

static const uint8_t inventory[] = { 0x16, 0x31, 0x31, 0x58, 4, 0, 0, 0, 8, 2, 0x10, 1 };
static const uint8_t pagemap[] = { 0x19, 0x43, 0x56, 0x54, 0x25, 0x40, 0x08, 0x56, 2,
				   0,    0,    0,    8,    1,    8,    0,    0,    0,
				   8,    0x80, 0x80, 4,    0x10, 1,    0x20, 4 };

static void make_tar(void)
{
	static uint8_t page[4096];

	used = 0;
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)rnd(256);
	if (rnd(4)) {
		add_entry("checkpoint/inventory.img", '0', inventory, sizeof(inventory));
		add_entry("checkpoint/pagemap-42.img", '0', pagemap, sizeof(pagemap));
		add_entry("checkpoint/pages-1.img", '0', page, sizeof(page));
	}
	for (uint64_t n = rnd(8); n; n--) {
		static const char types[] = "0000012234567gxLKS";

		add_entry(odd_name(), types[rnd(sizeof(types) - 1)],
			  rnd(2) ? (void *)pagemap : page,
			  rnd(2) ? sizeof(pagemap) : rnd(sizeof(page)));
	}
	memset(tar + used, 0, 2 * BLOCK);
	used += 2 * BLOCK;
	if (!rnd(3)) {
		used = fuzz_mutate(tar, 0, used, sizeof(tar));
		/* libarchive looks no further at a header whose sum is wrong. */
		for (size_t at = 0; rnd(2) && at + BLOCK <= used; at += BLOCK)
			if (!memcmp(tar + at + 257, "ustar", 5))
				checksum(tar + at);
	}
}

/* ---- what must not happen ---------------------------------------------------------------------- */

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	unsigned nr = 0;

	require(d != NULL, "opendir", path);
	while ((de = readdir(d)))
		nr += strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
	closedir(d);
	return nr;
}

static void open_it(enum image_dir_pages pages, bool *good)
{
	struct image_dir set;
	struct err *e = image_dir_open(tar_path, pages, 0, NULL, &set);

	if (!e) {
		struct verify_report r;

		*good = true;
		e = verify_dirfd(set.dirfd, 0, &r);
		verify_report_deinit(&r);
		image_dir_close(&set);
	}
	err_free(e);
	require(!entries(tmp), "left behind", tmp);
	require(!entries(beside), "reached outside", beside);
	require(entries(base) == 3, "reached outside", base);
}

static bool one_archive(unsigned i)
{
	bool good = false;
	int fd;

	make_tar();
	fd = open(tar_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, tar, used) == (ssize_t)used, "write", tar_path);
	close(fd);
	open_it(PAGES_NONE, &good);
	open_it(rnd(2) ? PAGES_ALL : PAGES_OF_TASK, &good);
	return good;
}

int main(int argc, char **argv)
{
	struct rusage u;

	if (!mkdtemp(base))
		abort();
	snprintf(tmp, sizeof(tmp), "%s/tmp", base);
	snprintf(beside, sizeof(beside), "%s/beside", base);
	snprintf(tar_path, sizeof(tar_path), "%s/a.tar", base);
	if (mkdir(tmp, 0700) || mkdir(beside, 0700) || setenv("TMPDIR", tmp, 1))
		abort();

	int status = fuzz_main(argc, argv, one_archive, 10, 95);

	getrusage(RUSAGE_SELF, &u);
	require((unsigned long)u.ru_maxrss < MEMORY_MAX_KB, "memory", "more than 400 MiB");
	unlink(tar_path);
	if (rmdir(tmp) || rmdir(beside) || rmdir(base)) {
		printf("%s is not empty\n", base);
		return 1;
	}
	return status;
}
