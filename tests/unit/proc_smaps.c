/* SPDX-License-Identifier: GPL-3.0-or-later */
/* parse_smaps(): texts of every kind of mapping against the table of combinations really seen. */
#include <sys/sysmacros.h>

#include "engine/proc/proc.h"

#include "tests/lib/test.h"

#define DEV(major, minor) ((major) << 8 | (minor)) /* as makedev(), but constant */
#define SHMEM_DEV DEV(0, 1)

static struct vma_list parse(const char *text, const struct smaps_env *env)
{
	struct vma_list l = { 0 };

	ok(parse_smaps(text, strlen(text), env, &l));
	return l;
}

static const struct smaps_env no_files = { .shmem_dev = SHMEM_DEV };

struct row {
	const char *header, *vmflags; /* header without the range */
	unsigned page_kb;
	uint32_t status, flags;
	uint64_t shmid, madv;
	const char *kind;
};

/* status, flags, shmid, madv as CRIU writes them; numbers on purpose. */
static const struct row rows[] = {
	{ "rw-p 00000000 00:00 0 ", "rd wr mr mw me ac", 4, 0x201, 0x22, 0, 0, "anon" },
	{ "rw-p 00000000 00:00 0      [anon:a b]", "rd wr mr mw me", 4, 0x201, 0x22, 0, 0, "anon" },
	{ "rw-p 00000000 00:00 0      [heap]", "rd wr mr mw me ac", 4, 0x221, 0x22, 0, 0, "heap" },
	{ "rw-p 00000000 00:00 0      [stack]", "rd wr mr mw me gd", 4, 0x201, 0x122, 0, 0,
	  "stack" },
	{ "r--p 00001000 fe:00 247134 /usr/bin/a b", "rd mr mw me", 4, 0x41, 0x2, 0, 0,
	  "file cow" },
	{ "rw-s 00000000 fe:00 7      /x\\012y (deleted)", "rd wr sh mr mw", 4, 0x81, 0x1, 0, 0,
	  "file" },
	/* opened read-only: the kernel says ms and mr, but not sh */
	{ "r--s 00000000 fe:00 7      /usr/share/x", "rd mr me ms", 4, 0x81, 0x1, 0, 0, "file" },
	{ "rw-s 00000000 00:01 1046   /memfd:hi (deleted)", "rd wr sh", 4, 0x4081, 0x1, 0, 0,
	  "memfd" },
	{ "rw-p 00000000 00:01 1046   /memfd:hi (deleted)", "rd wr", 4, 0x4041, 0x2, 0, 0,
	  "memfd" },
	{ "rw-s 00000000 00:01 1048   /dev/zero (deleted)", "rd wr sh", 4, 0x101, 0x21, 1048, 0,
	  "shm" },
	{ "rw-s 00000000 00:01 1049   [anon_shmem:x]", "rd wr sh", 4, 0x101, 0x21, 1049, 0, "shm" },
	{ "rw-s 00000000 00:01 0      /SYSV00000000 (deleted)", "rd wr sh", 4, 0x501, 0x21, 0, 0,
	  "sysv" },
	{ "rw-s 00000000 00:01 9      /SYSVdeadbeef (deleted)", "rd wr sh", 4, 0x501, 0x21, 9, 0,
	  "sysv" },
	{ "rw-s 00000000 00:0f 9      /SYSVdeadbeef (deleted)", "rd wr sh ht", 2048, 0x501,
	  0x54040021, 9, 0, "sysv" },
	{ "r-xp 00000000 00:00 0      [vdso]", "rd ex mr mw me de", 4, 0x209, 0x22, 0, 0, "vdso" },
	{ "r--p 00000000 00:00 0      [vvar]", "rd mr pf io de dd", 4, 0x1201, 0x22, 0, 0x10000,
	  "vvar" },
	{ "r--p 00000000 00:00 0      [vvar_vclock]", "rd mr pf io de dd", 4, 0x1201, 0x22, 0,
	  0x10000, "vvar" },
	{ "--xp 00000000 00:00 0      [vsyscall]", "ex", 4, 0x204, 0x22, 0, 0, "vsyscall" },
	{ "rw-s 00000000 00:13 26817  /[aio] (deleted)", "rd wr sh mr mw ms de", 4, 0x2000, 0x1, 0,
	  0, "aio" },
	{ "rw-p 00000000 00:00 0 ", "rd wr nr wf dd dp", 4, 0x201, 0x4028, 0, 0x50000,
	  "droppable" },
	{ "rw-p 00000000 00:0f 5      /anon_hugepage (deleted)", "rd wr ht", 2048, 0x201,
	  0x54040022, 0, 0, "hugetlb" },
	{ "rw-s 00000000 00:0f 5      /anon_hugepage (deleted)", "rd wr sh ht", 1048576, 0x101,
	  0x78040021, 5, 0, "hugetlb" },
	{ "rw-s 00000000 00:0f 6      /memfd:h (deleted)", "rd wr sh ht", 2048, 0x4081, 0x54040001,
	  0, 0, "hugetlb" },
	{ "rw-s 00000000 00:0f 6      /mnt/huge/x", "rd wr sh ht", 2048, 0x81, 0x54040001, 0, 0,
	  "hugetlb" },
	{ "rw-s 00000000 00:09 77     socket:[77]", "rd wr sh", 4, 0x801, 0x1, 77, 0, "socket" },
	{ "rw-p 00000000 00:00 0 ", "rd wr sr dc dd", 4, 0x201, 0x22, 0, 0x10404, "anon" },
	{ "rw-p 00000000 00:00 0 ", "rd wr mg wf", 4, 0x201, 0x22, 0, 0x41000, "anon" },
	{ "rw-p 00000000 00:00 0 ", "rd wr rr hg", 4, 0x201, 0x22, 0, 0x4002, "anon" },
	{ "rw-p 00000000 00:00 0 ", "rd wr nh lo", 4, 0x201, 0x2022, 0, 0x8000, "anon" },
	{ "r--p 00000000 00:00 0 ", "rd sl", 4, 0x201, 0x22, 0, 0, "anon" },
	/* a file that poses as something else */
	{ "rw-p 00000000 fe:00 5      /memfd:x", "rd wr", 4, 0x41, 0x2, 0, 0, "file cow" },
	{ "rw-s 00000000 fe:00 5      /dev/zero (deleted)", "rd wr sh", 4, 0x81, 0x1, 0, 0,
	  "file" },
	{ "rw-p 00000000 fe:00 5      /secretmem", "rd wr", 4, 0x41, 0x2, 0, 0, "file cow" },
};

static void one_text(const struct row *r, char *buf, size_t len)
{
	snprintf(buf, len,
		 "7f0000000000-7f0000002000 %s\nSize: 8 kB\nKernelPageSize: %u kB\nRss:  12 kB\n"
		 "Swap:   4 kB\nTHPeligible:    0\nVmFlags: %s \n",
		 r->header, r->page_kb, r->vmflags);
}

TEST(every_kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		char text[1024];

		one_text(r, text, sizeof(text));
		struct vma_list l = parse(text, &no_files);
		const struct vma *v = &l.v[0];

		print_message("%-50s %s\n", r->header, r->vmflags);
		assert_int_equal(l.nr, 1);
		assert_int_equal(v->start, 0x7f0000000000);
		assert_int_equal(v->end, 0x7f0000002000);
		assert_int_equal(v->status, r->status);
		assert_int_equal(v->flags, r->flags);
		assert_int_equal(v->shmid, r->shmid);
		assert_int_equal(v->madv, r->madv);
		assert_int_equal(v->rss_bytes, 12288);
		assert_int_equal(v->swap_bytes, 4096);
		assert_int_equal(v->hugepage_kb, r->page_kb);
		assert_false(v->has_fdflags);
		assert_null(v->unsupp);
		assert_string_equal(vma_kind(v), r->kind);
		char prot[5];

		vma_prot_str(v->prot, v->vmf & VMF_SHARED, prot);
		assert_memory_equal(prot, r->header, 4);
		vma_list_deinit(&l);
	}
}

TEST(refused)
{
	static const struct {
		const char *header, *vmflags, *word;
	} bad[] = {
		{ "rw-s 00000000 00:10 1 anon_inode:[io_uring]", "rd wr sh", "io_uring" },
		{ "rw-s 00000000 00:10 1 anon_inode:[perf_event]", "rd wr sh", "perf" },
		{ "rw-s 00000000 00:10 1 anon_inode:kvm-vcpu:0", "rd wr sh", "KVM" },
		{ "rw-s 00000000 00:10 1 anon_inode:[whatever]", "rd wr sh", "kernel object" },
		{ "rw-s 00000000 00:0e 1 /secretmem (deleted)", "rd wr sh lo dd", "secret" },
		{ "rw-p 00000000 00:00 0 [uprobes]", "rd ex", "uprobe" },
		{ "r-xp 00000000 00:00 0 [uprobes-trampoline]", "rd ex io de", "uprobe" },
		{ "rw-p 00000000 00:00 0 ", "rd wr ss", "shadow stack" },
		{ "rw-p 00000000 00:00 0 ", "rd wr io", "device" },
		{ "rw-s 00000000 00:05 1 /dev/fb0", "rd wr sh pf", "device" },
		{ "---p 00000000 00:00 0 ", "mr mw me sl", "sealed" },
		{ "-w-p 00000000 fe:00 3 /x", "wr mr mw me sl", "sealed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct row r = { bad[i].header, bad[i].vmflags, 4, 0, 0, 0, 0, NULL };
		char text[1024];

		one_text(&r, text, sizeof(text));
		struct vma_list l = parse(text, &no_files);

		print_message("%s\n", bad[i].header);
		assert_true(l.v[0].status & VMA_UNSUPP);
		assert_non_null(l.v[0].unsupp);
		assert_non_null(strstr(l.v[0].unsupp, bad[i].word));
		vma_list_deinit(&l);
	}
}

static mode_t file_mode;
static dev_t file_rdev;

static void fake_file(void *arg, const struct vma *v, struct vma_file *ret)
{
	assert_non_null(v->name);
	*ret = (struct vma_file){
		.known = true,
		.dev = makedev(1, 2),
		.ino = 99,
		.mode = file_mode,
		.rdev = file_rdev,
		.has_fdflags = true,
		.fdflags = O_RDWR,
	};
}

TEST(files_are_asked_for)
{
	static const struct {
		const char *header, *vmflags;
		mode_t mode;
		dev_t rdev;
		uint32_t status;
		bool fdflags;
	} cases[] = {
		{ "rw-p 0 00:06 4 /dev/zero", "rd wr", S_IFCHR, DEV(1, 5), 0x41, true },
		{ "rw-s 0 00:06 5 /dev/mem", "rd wr", S_IFCHR, DEV(1, 1), 0x80000001, false },
		{ "rw-s 0 00:06 5 /dev/sda", "rd wr", S_IFBLK, DEV(8, 0), 0x80000001, false },
		{ "rw-s 0 00:06 5 /dmabuf:", "rd wr", 0, 0, 0x80000001, false },
		{ "rw-s 0 00:13 5 /[aio] (deleted)", "rd wr", 0600, 0, 0x2000, true },
		{ "rw-s 0 00:13 5 /[aio] (deleted)", "rd wr", S_IFREG, 0, 0x81, true },
		{ "rw-s 0 00:15 5 /sys/devices/resource0", "rd wr io pf", S_IFREG, 0, 0x81, true },
		{ "rw-s 0 00:01 5 /dev/zero (deleted)", "rd wr sh", S_IFREG, 0, 0x101, false },
	};
	const struct smaps_env env = { .shmem_dev = SHMEM_DEV, .file = fake_file };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row r = { cases[i].header, cases[i].vmflags, 4, 0, 0, 0, 0, NULL };
		char text[1024];

		file_mode = cases[i].mode;
		file_rdev = cases[i].rdev;
		one_text(&r, text, sizeof(text));
		struct vma_list l = parse(text, &env);

		print_message("%s\n", cases[i].header);
		assert_int_equal(l.v[0].status, cases[i].status);
		assert_int_equal(l.v[0].has_fdflags, cases[i].fdflags);
		assert_int_equal(l.v[0].fdflags, cases[i].fdflags ? O_RDWR : 0);
		assert_int_equal(l.v[0].ino, 99);
		assert_int_equal(l.v[0].dev, makedev(1, 2));
		vma_list_deinit(&l);
	}
}

TEST(vvar_is_merged)
{
	struct vma_list l = parse("7f0000000000-7f0000004000 r--p 00000000 00:00 0 [vvar]\n"
				  "VmFlags: rd mr pf io de dd \n"
				  "7f0000004000-7f0000006000 r--p 00000000 00:00 0 [vvar_vclock]\n"
				  "VmFlags: rd mr pf io de dd \n"
				  "7f0000006000-7f0000008000 r-xp 00000000 00:00 0 [vdso]\n"
				  "VmFlags: rd ex mr mw me de \n",
				  &no_files);

	assert_int_equal(l.nr, 2);
	assert_int_equal(l.v[0].start, 0x7f0000000000);
	assert_int_equal(l.v[0].end, 0x7f0000006000);
	assert_int_equal(l.v[0].status, 0x1201);
	assert_string_equal(l.v[0].name, "[vvar]");
	assert_int_equal(l.nr_priv_pages, 8);
	assert_int_equal(l.priv_longest_pages, 6);
	vma_list_deinit(&l);
}

TEST(totals)
{
	struct vma_list l = parse("1000-3000 rw-p 0 00:00 0 \n"
				  "3000-8000 rw-s 0 00:01 3 /dev/zero (deleted)\n"
				  "8000-9000 rw-s 0 00:13 3 /[aio] (deleted)\n"
				  "9000-d000 r--p 0 fe:00 3 /x\n"
				  "ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n",
				  &no_files);

	assert_int_equal(l.nr, 5);
	assert_int_equal(l.nr_priv_pages, 2 + 1 + 4);
	assert_int_equal(l.priv_longest_pages, 4);
	assert_int_equal(l.shared_longest_pages, 5);
	assert_int_equal(l.nr_aios, 1);
	vma_list_deinit(&l);
}

TEST(malformed)
{
	static const char *const bad[] = {
		"Rss: 4 kB\n",
		"\n",
		"7f0000000000-7f0000002000\n",
		"7f0000000000-7f0000002000 rw-p\n",
		"7f0000000000-7f0000002000 rwzp 0 00:00 0 \n",
		"7f0000000000-7f0000002000 rw-q 0 00:00 0 \n",
		"7f0000000000-7f0000002000 rw-p 0 0000 0 \n",
		"7f0000000000-7f0000002000 rw-p 0 00:00 \n",
		"7f0000000000-7f0000002000 rw-p 0 00:00 0x\n",
		"7f0000000000-7f0000002000 rw-p 10 00:00 0 \n",
		"7f0000002000-7f0000002000 rw-p 0 00:00 0 \n",
		"7f0000002000-7f0000000000 rw-p 0 00:00 0 \n",
		"7f0000000001-7f0000002000 rw-p 0 00:00 0 \n",
		"17f0000000000000000-7f0000002000 rw-p 0 00:00 0 \n",
		"1000-3000 rw-p 0 00:00 0 \n2000-4000 rw-p 0 00:00 0 \n",
		"3000-4000 rw-p 0 00:00 0 \n1000-2000 rw-p 0 00:00 0 \n",
		"1000-3000 rw-p 0 00:00 0 \nRss: many kB\n",
		"1000-3000 rw-p 0 00:00 0 \nKernelPageSize: 99999999999 kB\n",
		"zzz\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vma_list l = { .nr = 77 };
		struct err *e = parse_smaps(bad[i], strlen(bad[i]), &no_files, &l);

		print_message("%s", bad[i]);
		assert_non_null(e);
		assert_int_equal(e->code, ERR_FORMAT);
		assert_int_equal(l.nr, 77); /* untouched on failure */
		err_free(e);
	}
}

TEST(empty)
{
	struct vma_list l = parse("", &no_files);

	assert_int_equal(l.nr, 0);
	vma_list_deinit(&l);
}

/* Writes `text` to a pipe in pieces of `step` bytes and parses the other end. */
static struct vma_list parse_through_pipe(const char *text, size_t len, size_t step)
{
	struct vma_list l = { 0 };
	int p[2];

	assert_int_equal(pipe(p), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(p[0]);
		for (size_t i = 0; i < len; i += step)
			if (write(p[1], text + i, len - i < step ? len - i : step) < 0)
				_exit(1);
		_exit(0);
	}
	close(p[1]);

	ok(parse_smaps_fd(p[0], &no_files, &l));
	close(p[0]);
	waitpid(child, NULL, 0);
	return l;
}

TEST(stream_equals_buffer)
{
	static const size_t steps[] = { 1, 7, 4095, 65536, 1000000 };
	const size_t cap = 300000;
	char *text = malloc(cap);
	size_t len = 0, row = 0;
	uint64_t at = 0x10000;

	/* more than the buffer, with a name as long as the kernel can print it */
	while (len < cap - 20000) {
		len += snprintf(text + len, cap - len, "%lx-%lx %s", at, at + 0x2000,
				rows[row % (ARRAY_SIZE(rows))].header);
		if (row == 40)
			for (int i = 0; i < 4000; i++)
				len += snprintf(text + len, cap - len, "\\012");
		len += snprintf(text + len, cap - len, "\nRss: %zu kB\nVmFlags: rd wr \n", row * 4);
		at += 0x3000;
		row++;
	}
	text[--len] = '\0'; /* and no newline at the end */

	struct vma_list want = parse(text, &no_files);
	assert_int_equal(want.nr, row);
	for (size_t s = 0; s < ARRAY_SIZE(steps); s++) {
		struct vma_list got = parse_through_pipe(text, len, steps[s]);

		assert_int_equal(got.nr, want.nr);
		for (size_t i = 0; i < got.nr; i++) {
			const struct vma *a = &got.v[i], *b = &want.v[i];

			assert_string_equal(a->name, b->name);
			assert_int_equal(a->start, b->start);
			assert_int_equal(a->end, b->end);
			assert_int_equal(a->status, b->status);
			assert_int_equal(a->flags, b->flags);
			assert_int_equal(a->ino, b->ino);
			assert_int_equal(a->rss_bytes, i * 4096);
		}
		vma_list_deinit(&got);
	}
	vma_list_deinit(&want);
	free(text);
}

TEST(endless_line)
{
	const size_t len = 200000;
	char *text = malloc(len);
	struct vma_list l = { 0 };

	memset(text, 'a', len);
	memcpy(text, "1000-2000 rw-p 0 fe:00 1 /", 26);
	struct err *e = parse_smaps(text, len, &no_files, &l);
	fails(e, ERR_FORMAT, "");

	FILE *f = tmpfile();
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	rewind(f);
	e = parse_smaps_fd(fileno(f), &no_files, &l);
	fails(e, ERR_FORMAT, "");
	fclose(f);
	free(text);
}

TEST(parasite_is_known)
{
	struct vma_list l = parse("1000-3000 rwxs 0 00:01 9 /memfd:CRIUMFD (deleted)\n"
				  "3000-4000 rwxs 0 00:01 8 /memfd:other (deleted)\n"
				  "4000-5000 rwxs 0 fe:00 8 /memfd:CRIUMFD\n",
				  &no_files);

	assert_true(vma_is_parasite(&l.v[0]));
	assert_false(vma_is_parasite(&l.v[1]));
	assert_false(vma_is_parasite(&l.v[2]));
	vma_list_deinit(&l);
}
