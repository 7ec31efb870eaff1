/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzz target for the parsers of engine/proc/proc.h.  With libFuzzer:
 *   clang -fsanitize=fuzzer,address -DHAVE_LIBFUZZER ...
 * Without, it has a main():  smaps [FILE...]  parses the files;  smaps -n COUNT [-s SEED] [FILE...]
 * parses COUNT random mutations of them (of its own /proc files if none is given).
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/proc/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "violated: %s\n", what);
		abort();
	}
}

/* What every caller relies on. */
static void check_list(const struct vma_list *l)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct vma *v = &l->v[i];
		const char *names[64];

		require(v->start < v->end, "start < end");
		require(!i || l->v[i - 1].end <= v->start, "address order");
		require(!((v->start | v->end) % PAGE_BYTES), "page alignment");
		require(v->name != NULL, "a name");
		require(!(v->status & VMA_UNSUPP) == !v->unsupp,
			"a reason for UNSUPP, and only then");
		require(v->status != 0, "a status");
		require(vma_kind(v) != NULL, "a kind");
		require(vma_list_find(l, v->start) == (ssize_t)i, "found by its start");
		require(vma_list_find(l, v->end - 1) == (ssize_t)i, "found by its end");
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

	require(!e == !f, "whether a text parses does not depend on the files");
	if (!e) {
		check_list(&a);
		check_list(&b);
		require(a.nr == b.nr, "nor does the number of VMAs");
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

#ifndef HAVE_LIBFUZZER

struct text {
	uint8_t *data;
	size_t size;
};

static struct text read_text(const char *path)
{
	struct text t = { 0 };
	FILE *f = fopen(path, "r");
	size_t cap = 0, n;

	if (!f) {
		perror(path);
		exit(2);
	}
	do {
		if (t.size == cap) {
			cap = cap ? cap * 2 : 65536;
			t.data = realloc(t.data, cap);
			if (!t.data)
				exit(2);
		}
		n = fread(t.data + t.size, 1, cap - t.size, f);
		t.size += n;
	} while (n);
	fclose(f);
	return t;
}

static uint64_t rng;

static uint32_t random_below(uint32_t n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(rng >> 33) % n;
}

/* Changes a few bytes, words or lines of a copy, and cuts it somewhere. */
static void one_mutation(const struct text *t)
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
	size_t size = t->size ? 1 + random_below(t->size) : 0;
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		exit(2);
	memcpy(copy, t->data + (t->size - size) * random_below(2), size);
	for (unsigned i = 0, n = random_below(8); size && i < n; i++) {
		uint32_t at = random_below(size);
		const char *word = words[random_below(sizeof(words) / sizeof(words[0]))];
		size_t len = strlen(word);

		if (random_below(2))
			copy[at] = random_below(256);
		else if (at + len <= size)
			memcpy(copy + at, word, len);
	}
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	static const char *const own[] = {
		"/proc/self/smaps",
		"/proc/self/stat",
		"/proc/self/status",
		"/proc/self/limits",
	};
	unsigned long count = 0;
	unsigned seed = getpid();
	int opt;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			count = strtoul(optarg, NULL, 10);
		else if (opt == 's')
			seed = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	const char *const *paths = optind < argc ? (const char *const *)argv + optind : own;
	size_t nr = optind < argc ? (size_t)(argc - optind) : sizeof(own) / sizeof(own[0]);

	printf("seed %u\n", seed);
	fflush(stdout);
	rng = seed;
	for (size_t i = 0; i < nr; i++) {
		struct text t = read_text(paths[i]);

		LLVMFuzzerTestOneInput(t.data, t.size);
		for (unsigned long k = 0; k < count; k++)
			one_mutation(&t);
		free(t.data);
	}
	return 0;
}

#endif
