/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Predicates, names and look-up of vma.h. */
#include "engine/proc/vma.h"

#include "tests/lib/test.h"

/* What becomes of which mapping. */
TEST(predicates)
{
	static const struct {
		uint32_t status, flags, vmf;
		bool private, shmem, lazy, always, never;
	} rows[] = {
		{ 0x201, 0x22, 0, true, false, true, false, false },
		{ 0x221, 0x22, 0, true, false, true, false, false },
		{ 0x201, 0x2022, 0, true, false, false, false, false }, /* locked */
		{ 0x201, 0x40022, VMF_HUGETLB, true, false, false, false, false },
		{ 0x201, 0x4028, VMF_DROPPABLE, true, false, false, false, true },
		{ 0x41, 0x2, 0, true, false, false, false, false },
		{ 0x81, 0x1, 0, false, false, false, false, false },
		{ 0x4081, 0x1, 0, false, true, false, false, false },
		{ 0x4041, 0x2, 0, true, true, false, false, false },
		{ 0x101, 0x21, 0, false, true, false, false, false },
		{ 0x501, 0x21, 0, false, true, false, false, false },
		{ 0x209, 0x22, 0, true, false, false, true, false },  /* vdso */
		{ 0x1201, 0x22, 0, true, false, false, false, true }, /* vvar */
		{ 0x204, 0x22, 0, false, false, false, false, true }, /* vsyscall */
		{ 0x2000, 0x1, 0, true, false, false, true, false },  /* aio */
		{ 0x801, 0x1, 0, false, false, false, false, false }, /* socket */
		{ 0x10000, 0, 0, false, false, false, false, false }, /* guard */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vma v = { .start = 0x1000,
				 .end = 0x2000,
				 .status = rows[i].status,
				 .flags = rows[i].flags,
				 .vmf = rows[i].vmf };

		print_message("status %x flags %x\n", v.status, v.flags);
		assert_int_equal(vma_is_private(&v), rows[i].private);
		assert_int_equal(vma_is_shmem(&v), rows[i].shmem);
		assert_int_equal(vma_can_be_lazy(&v), rows[i].lazy);
		assert_int_equal(vma_always_dumped(&v), rows[i].always);
		assert_int_equal(vma_never_dumped(&v), rows[i].never);
	}

	struct vma above = { .start = 0xffffffffff600000,
			     .end = 0xffffffffff601000,
			     .status = 0x201 };
	assert_false(vma_is_private(&above));
}

static void join(const char *const *names, size_t n, char *out)
{
	*out = '\0';
	for (size_t i = 0; i < n; i++)
		out += sprintf(out, "%s%s", i ? "|" : "", names[i]);
}

TEST(names)
{
	const char *n[64];
	char text[1024], prot[5];

	join(n, vma_status_names(0x4081, n), text);
	assert_string_equal(text, "REGULAR|FILE_SHARED|MEMFD");
	join(n, vma_status_names(0x80000221, n), text);
	assert_string_equal(text, "REGULAR|HEAP|ANON_PRIVATE|UNSUPP");
	join(n, vma_status_names(0, n), text);
	assert_string_equal(text, "");
	assert_true(vma_status_names(UINT32_MAX, n) <= 32);
	join(n, vma_flag_names(0x4028, n), text);
	assert_string_equal(text, "MAP_DROPPABLE|MAP_ANONYMOUS|MAP_NORESERVE");
	join(n, vma_flag_names(0x122, n), text);
	assert_string_equal(text, "MAP_PRIVATE|MAP_ANONYMOUS|MAP_GROWSDOWN");
	join(n, vma_madv_names(0x10404, n), text);
	assert_string_equal(text, "MADV_SEQUENTIAL|MADV_DONTFORK|MADV_DONTDUMP");
	join(n, vma_madv_names(0x41000, n), text);
	assert_string_equal(text, "MADV_MERGEABLE|MADV_WIPEONFORK");
	vma_prot_str(PROT_READ | PROT_EXEC, false, prot);
	assert_string_equal(prot, "r-xp");
	vma_prot_str(PROT_WRITE, true, prot);
	assert_string_equal(prot, "-w-s");
}

/* Against a linear search, at and around every border. */
TEST(find)
{
	struct vma_list l = { 0 };
	uint64_t at = 0x10000;

	assert_int_equal(vma_list_find(&l, 0), -1);
	for (int i = 0; i < 1000; i++) {
		struct vma v = { .start = at + rnd(2) * 0x1000 };

		v.end = v.start + (1 + rnd(5)) * 0x1000;
		at = v.end;
		vma_list_add(&l, &v, i % 3 ? "name" : NULL);
	}
	for (uint64_t a = 0xf000; a < at + 0x3000; a += 0x800) {
		ssize_t want = -1;

		for (size_t i = 0; i < l.nr; i++)
			if (a >= l.v[i].start && a < l.v[i].end)
				want = i;
		assert_int_equal(vma_list_find(&l, a), want);
	}
	assert_string_equal(l.v[0].name, "");
	assert_string_equal(l.v[1].name, "name");
	vma_list_deinit(&l);
	assert_int_equal(l.nr, 0);
	vma_list_deinit(&l);
}
