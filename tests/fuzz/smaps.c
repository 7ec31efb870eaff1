/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as the files in /proc that engine/proc/ parses.  As a plain program (see
 * tests/lib/fuzz.h): mutations of the given files, of its own /proc files if none is given.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/proc/proc.h"

#include "tests/lib/fuzz.h"

/* Facts that vary with the mapping, so that every branch is met. */
static void some_file(void *arg, const struct vma *v, struct vma_file *ret)
{
	static const mode_t modes[] = { S_IFREG, S_IFCHR, S_IFBLK, S_IFSOCK, 0 };

	*ret = (struct vma_file){
		.known = v->ino & 1,
		.dev = v->dev,
		.ino = v->ino,
		.mode = modes[v->ino % 5],
		.rdev = v->dev,
		.has_fdflags = v->ino & 2,
	};
}

/* Properties that every caller relies on. */
static void check_list(const struct vma_list *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct vma *v = &l->v[i];
		const char *names[64];

		require(v->start < v->end, "start < end", "");
		require(!i || l->v[i - 1].end <= v->start, "address order", "");
		require(!((v->start | v->end) % PAGE_BYTES), "page alignment", "");
		require(v->name != NULL, "a name", "");
		require(!(v->status & VMA_UNSUPP) == !v->unsupp,
			"a reason for UNSUPP, and only then", "");
		require(v->status != 0, "a status", "");
		require(vma_kind(v) != NULL, "a kind", "");
		require(vma_list_find(l, v->start) == (ssize_t)i, "found by its start", "");
		require(vma_list_find(l, v->end - 1) == (ssize_t)i, "found by its end", "");
		vma_status_names(v->status, names);
		vma_flag_names(v->flags, names);
		vma_madv_names(v->madv, names);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct smaps_env with = { .shmem_dev = 1, .file = some_file };
	const struct smaps_env without = { .shmem_dev = 1 };
	const char *text = (const char *)data;
	struct vma_list a, b;
	struct proc_stat stat;
	struct proc_status status;
	struct proc_limits limits;

	struct err *e = parse_smaps(text, size, &with, &a);
	struct err *f = parse_smaps(text, size, &without, &b);

	require(!e == !f, "whether a text parses does not depend on the files", "");
	if (!e) {
		check_list(&a);
		check_list(&b);
		require(a.nr == b.nr, "nor does the number of VMAs", "");
		vma_list_deinit(&a);
		vma_list_deinit(&b);
	}
	err_free(e);
	err_free(f);
	err_free(parse_stat(text, size, &stat));
	err_free(parse_status(text, size, &status));
	err_free(parse_limits(text, size, &limits));
	return 0;
}

#ifndef LIBFUZZER
static const char *const own[] = { "/proc/self/smaps", "/proc/self/stat", "/proc/self/status",
				   "/proc/self/limits" };
static const char *const *paths = own;
static unsigned nr_paths = 4;

/* Changes a few bytes, words or lines of a copy, and cuts it somewhere. */
static bool one_mutation(unsigned i)
{
	static const char *const words[] = {
		"\n",
		" ",
		"-",
		":",
		"7f",
		"0",
		"ffffffffffffffff",
		"[vvar_vclock]",
		"[vvar]",
		"/[aio]",
		"/SYSV",
		"/memfd:",
		"/dev/zero",
		"VmFlags: ",
		"Rss: ",
		"ht ",
		"dp ",
		"ss ",
		"sl ",
		"anon_inode:",
		"00:01",
		"KernelPageSize: ",
		"(",
		")",
		"unlimited",
		"/anon_hugepage",
	};
	static uint8_t *text[8];
	static size_t size[8];
	unsigned k = i % nr_paths;

	if (!text[k]) { /* the first time as it is */
		text[k] = fuzz_load(paths[k], 0, &size[k]);
		return !LLVMFuzzerTestOneInput(text[k], size[k]);
	}
	size_t len = 1 + rnd(size[k]);
	uint8_t *copy = malloc(len);

	require(copy != NULL, "memory", "");
	memcpy(copy, text[k] + (size[k] - len) * rnd(2), len);
	for (uint64_t n = rnd(8); n; n--) {
		size_t at = rnd(len);
		const char *word = words[rnd(sizeof(words) / sizeof(words[0]))];

		if (rnd(2))
			copy[at] = (uint8_t)rnd(256);
		else if (at + strlen(word) <= len)
			memcpy(copy + at, word, strlen(word));
	}
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	return true;
}

int main(int argc, char **argv)
{
	if (argc > 2 && argc <= 10) {
		paths = (const char *const *)argv + 2;
		nr_paths = (unsigned)argc - 2;
	}
	return fuzz_main(argc, argv, one_mutation, 0, 100);
}
#endif
