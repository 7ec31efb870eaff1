/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small good set, and everything that can be wrong with one. */
#include "engine/image/image.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/verify.h"
#include "engine/proc/vma.h"
#include "proto/files.pb-c.h"
#include "proto/inventory.pb-c.h"
#include "proto/mm.pb-c.h"
#include "proto/pagemap.pb-c.h"
#include "proto/pstree.pb-c.h"
#include "proto/stats.pb-c.h"

#include "tests/lib/images.h"

#define PID 42
#define END ((struct pagemap_entry){ .nr_pages = UINT64_MAX })

/* ---- a good set ------------------------------------------------------------- */

/* Not by pagemap_writer, which refuses what we want to write. */
static void pagemap_at(int d, const char *name, uint32_t pages_id, const struct pagemap_entry *e)
{
	Criu__PagemapHead head = CRIU__PAGEMAP_HEAD__INIT;
	struct image_writer *w;
	uint64_t present = 0;

	ok(image_create(d, name, IMG_PAGEMAP, &w));
	head.pages_id = pages_id;
	ok(image_write(w, &head.base));
	for (; e->nr_pages != UINT64_MAX; e++) {
		Criu__PagemapEntry m = CRIU__PAGEMAP_ENTRY__INIT;

		m.vaddr = e->vaddr;
		m.compat_nr_pages = (uint32_t)e->nr_pages;
		m.has_flags = true;
		m.flags = e->flags;
		ok(image_write(w, &m.base));
		if (e->flags & PE_PRESENT)
			present += e->nr_pages;
	}
	ok(image_finish(w));
	put_pages(d, pages_id, present);
}

#define PAGEMAP_AT(d, name, id, ...)                                                               \
	pagemap_at(d, name, id, (struct pagemap_entry[]){ __VA_ARGS__ __VA_OPT__(, ) END })
#define PAGEMAP(...) PAGEMAP_AT(scratch_fd, "pagemap-42.img", 1, __VA_ARGS__)
#define PRESENT(addr, nr)                                                                          \
	{                                                                                          \
		.vaddr = addr, .nr_pages = nr, .flags = PE_PRESENT                                 \
	}
#define PARENT(addr, nr)                                                                           \
	{                                                                                          \
		.vaddr = addr, .nr_pages = nr, .flags = PE_PARENT                                  \
	}

static Criu__VmaEntry vma_entry(uint64_t start, uint64_t end, uint32_t status, uint64_t shmid)
{
	Criu__VmaEntry v = CRIU__VMA_ENTRY__INIT;

	v.start = start;
	v.end = end;
	v.status = status;
	v.shmid = shmid;
	v.fd = -1;
	return v;
}

enum { V_EXE, V_ANON, V_ANON2, V_SHM, V_MEMFD, V_VSYSCALL, V_GUARD, V_NR };

static void mm(void (*change)(Criu__VmaEntry *v, Criu__MmEntry *m))
{
	Criu__MmEntry m = CRIU__MM_ENTRY__INIT;
	Criu__VmaEntry v[V_NR] = {
		[V_EXE] = vma_entry(0x10000, 0x12000, VMA_AREA_REGULAR | VMA_FILE_PRIVATE, 1),
		[V_ANON] = vma_entry(0x20000, 0x28000, VMA_AREA_REGULAR | VMA_ANON_PRIVATE, 0),
		[V_ANON2] = vma_entry(0x28000, 0x2a000, VMA_AREA_REGULAR | VMA_ANON_PRIVATE, 0),
		[V_SHM] = vma_entry(0x30000, 0x34000, VMA_AREA_REGULAR | VMA_ANON_SHARED, 77),
		[V_MEMFD] = vma_entry(0x40000, 0x42000,
				      VMA_AREA_REGULAR | VMA_FILE_SHARED | VMA_AREA_MEMFD, 2),
		[V_VSYSCALL] = vma_entry(0xffffffffff600000, 0xffffffffff601000,
					 VMA_AREA_VSYSCALL | VMA_ANON_PRIVATE, 0),
		[V_GUARD] = vma_entry(0x21000, 0x22000, VMA_AREA_GUARD, 0),
	};
	Criu__VmaEntry *p[V_NR];

	m.exe_file_id = 1;
	m.n_vmas = V_NR;
	m.vmas = p;
	if (change)
		change(v, &m);
	for (int i = 0; i < V_NR; i++)
		p[i] = &v[i];
	ok(image_write_one(scratch_fd, IMG_MM, PID, &m.base));
}

static void files(uint32_t exe_id, bool memfd)
{
	Criu__FownEntry fown = CRIU__FOWN_ENTRY__INIT;
	Criu__RegFileEntry reg = CRIU__REG_FILE_ENTRY__INIT;
	Criu__MemfdFileEntry mf = CRIU__MEMFD_FILE_ENTRY__INIT;
	Criu__FileEntry f = CRIU__FILE_ENTRY__INIT, g = CRIU__FILE_ENTRY__INIT;
	struct image_writer *w;

	ok(image_create(scratch_fd, "files.img", IMG_FILES, &w));
	f.type = CRIU__FD_TYPES__REG;
	f.id = exe_id;
	f.reg = &reg;
	reg.id = exe_id;
	reg.fown = &fown;
	reg.name = (char *)"/bin/true";
	ok(image_write(w, &f.base));
	g.type = CRIU__FD_TYPES__MEMFD;
	g.id = 2;
	g.memfd = &mf;
	mf.id = 2;
	mf.fown = &fown;
	mf.inode_id = 1;
	if (memfd)
		ok(image_write(w, &g.base));
	ok(image_finish(w));
}

/* As files(), and a regular file that nothing maps. */
static void files_and_another(uint32_t id)
{
	Criu__FownEntry fown = CRIU__FOWN_ENTRY__INIT;
	Criu__RegFileEntry reg = CRIU__REG_FILE_ENTRY__INIT;
	Criu__FileEntry f = CRIU__FILE_ENTRY__INIT;
	struct image_writer *w;
	uint8_t buf[256];

	ok(image_create(scratch_fd, "other", IMG_FILES, &w));
	f.type = CRIU__FD_TYPES__REG;
	f.id = reg.id = id;
	f.reg = &reg;
	reg.fown = &fown;
	reg.name = (char *)"/dev/null";
	ok(image_write(w, &f.base));
	ok(image_finish(w));
	int from = openat(scratch_fd, "other", O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(from, buf, sizeof(buf), 8);
	int to = openat(scratch_fd, "files.img", O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(n > 0 && write(to, buf, (size_t)n) == n);
	close(from);
	close(to);
	unlinkat(scratch_fd, "other", 0);
}

static void memfd(uint64_t inode_id, uint64_t size)
{
	Criu__MemfdInodeEntry m = CRIU__MEMFD_INODE_ENTRY__INIT;

	m.name = (char *)"x";
	m.shmid = 88;
	m.size = size;
	m.inode_id = inode_id;
	ok(image_write_one(scratch_fd, IMG_MEMFD, 0, &m.base));
}

static void inventory_at(int d, uint32_t version)
{
	Criu__InventoryEntry m = CRIU__INVENTORY_ENTRY__INIT;

	m.img_version = version;
	m.has_fdinfo_per_id = m.fdinfo_per_id = true;
	m.has_dump_uptime = true;
	m.dump_uptime = 1;
	ok(image_write_one(d, IMG_INVENTORY, 0, &m.base));
}

static void good_set(void)
{
	Criu__PstreeEntry p = CRIU__PSTREE_ENTRY__INIT;
	Criu__DumpStatsEntry ds = CRIU__DUMP_STATS_ENTRY__INIT;
	Criu__StatsEntry st = CRIU__STATS_ENTRY__INIT;

	inventory_at(scratch_fd, 2);
	p.pid = PID;
	ok(image_write_one(scratch_fd, IMG_PSTREE, 0, &p.base));
	files(1, true);
	memfd(1, 8192);
	mm(NULL);
	/* The second entry spans two VMAs that touch. */
	PAGEMAP(PRESENT(0x11000, 1),
		{ .vaddr = 0x27000, .nr_pages = 3, .flags = PE_PRESENT | PE_LAZY });
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-77.img", 2, PRESENT(0x3000, 1));
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-88.img", 3);
	st.dump = &ds;
	ok(image_write_one(scratch_fd, IMG_STATS_DUMP, 0, &st.base));
}

static int setup(void **state)
{
	if (scratch_make(state))
		return -1;
	good_set();
	return 0;
}

/* ---- what is expected --------------------------------------------------------- */

/* Exactly one finding: this one. */
static void expect(bool fatal, const char *file, int64_t entry, uint64_t vaddr, const char *text)
{
	struct verify_report r;
	struct err *e = verify_dir(scratch, &r);
	bool good = r.nr == 1 && r.v[0].fatal == fatal && !strcmp(r.v[0].file, file) &&
		    r.v[0].entry == entry && r.v[0].vaddr == vaddr && strstr(r.v[0].text, text);

	for (size_t i = 0; i < r.nr && !good; i++)
		print_error("found: %s entry %" PRId64 " at %" PRIx64 ": %s\n", r.v[i].file,
			    r.v[i].entry, r.v[i].vaddr, r.v[i].text);
	assert_true(good);
	assert_int_equal(r.nr_fatal, fatal);
	assert_int_equal(r.nr_notes, !fatal);
	if (fatal) {
		assert_non_null(e);
		assert_int_equal(e->code, ERR_CHECK);
		assert_non_null(strstr(e->msg, file));
		assert_non_null(strstr(e->msg, text));
	} else {
		ok(e);
	}
	err_free(e);
	verify_report_deinit(&r);
}

#define FATAL(...) expect(true, __VA_ARGS__)
#define WHOLE -1, 0

TEST(good, setup, scratch_drop)
{
	struct verify_report r;

	ok(verify_dir(scratch, &r));
	assert_int_equal(r.nr, 0);
	assert_int_equal(r.pagemaps, 3);
	assert_int_equal(r.entries, 3);
	assert_int_equal(r.pages_present, 5);
	assert_int_equal(r.pages_in_parent, 0);
	verify_report_deinit(&r);
}

TEST(entries_in_themselves, setup, scratch_drop)
{
	static const struct {
		struct pagemap_entry second;
		const char *text;
	} bad[] = {
		{ PRESENT(0x21000, 1), "overlaps" },
		{ PRESENT(0x11000, 1), "ascending" },
		{ PRESENT(0x22800, 1), "aligned" },
		{ PRESENT(0x22000, 0), "no pages" },
		{ { .vaddr = 0x22000, .nr_pages = 1, .flags = 0 }, "no flags" },
		{ { .vaddr = 0x22000, .nr_pages = 1, .flags = 0x14 }, "unknown flags" },
		{ { .vaddr = 0x22000, .nr_pages = 1, .flags = PE_PRESENT | PE_PARENT }, "both" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		PAGEMAP(PRESENT(0x20000, 2), bad[i].second);
		FATAL("pagemap-42.img", 1, bad[i].second.vaddr, bad[i].text);
	}
}

TEST(pages_file, setup, scratch_drop)
{
	put_pages(scratch_fd, 1, 3);
	FATAL("pagemap-42.img", WHOLE, "pages-1.img has 12288 bytes, the entries make it 16384");
	put_pages(scratch_fd, 1, 5);
	expect(false, "pagemap-42.img", WHOLE, "pages-1.img has 20480 bytes");
	unlinkat(scratch_fd, "pages-1.img", 0);
	FATAL("pagemap-42.img", WHOLE, "cannot be read");
	put_pages(scratch_fd, 1, 4);
	put_pages(scratch_fd, 9, 1);
	expect(false, "pages-9.img", WHOLE, "no pagemap refers to it");
}

TEST(pages_ids_are_unique, setup, scratch_drop)
{
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-77.img", 1, PRESENT(0, 4));
	unlinkat(scratch_fd, "pages-2.img", 0);
	FATAL("pagemap-shmem-77.img", WHOLE, "pages-1.img belongs to pagemap-42.img already");
}

TEST(pages_are_in_private_vmas, setup, scratch_drop)
{
	PAGEMAP_AT(scratch_fd, "pagemap-42.img", 1);
	FATAL("pagemap-42.img", WHOLE, "no entry");
	PAGEMAP(PRESENT(0x29000, 2));
	FATAL("pagemap-42.img", 0, 0x2a000, "in no private VMA");
	PAGEMAP(PRESENT(0x20000, 1), PRESENT(0x30000, 1));
	FATAL("pagemap-42.img", 1, 0x30000, "in no private VMA");
	PAGEMAP(PRESENT(0xffffffffff600000, 1));
	FATAL("pagemap-42.img", 0, 0xffffffffff600000, "in no private VMA");
}

/* ---- parents ---------------------------------------------------------------------- */

static int parent_dir(const char *name, int of)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	mkdir(path, 0755);
	assert_int_equal(symlinkat(path, of, "parent"), 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

TEST(parents, setup, scratch_drop)
{
	struct verify_report r;

	PAGEMAP(PARENT(0x20000, 4), PRESENT(0x24000, 1));
	FATAL("pagemap-42.img", WHOLE, "parent cannot be opened");

	int p1 = parent_dir("p1", scratch_fd);
	FATAL("parent/pagemap-42.img", WHOLE, "open pagemap-42.img");

	/* Covered by two entries of which one has a hole itself. */
	PAGEMAP_AT(p1, "pagemap-42.img", 1, PRESENT(0x1f000, 2), PARENT(0x21000, 8));
	FATAL("parent/pagemap-42.img", WHOLE, "parent cannot be opened");
	int p2 = parent_dir("p2", p1);
	PAGEMAP_AT(p2, "pagemap-42.img", 1, PRESENT(0x20000, 16));
	ok(verify_dir(scratch, &r));
	assert_int_equal(r.nr, 0);
	assert_int_equal(r.pages_in_parent, 4);
	verify_report_deinit(&r);

	/* One page less in each generation. */
	PAGEMAP_AT(p2, "pagemap-42.img", 1, PRESENT(0x20000, 8));
	FATAL("parent/pagemap-42.img", 1, 0x28000, "parent does not have the page");
	PAGEMAP_AT(p1, "pagemap-42.img", 1, PRESENT(0x20000, 2), PRESENT(0x23000, 1));
	FATAL("pagemap-42.img", 0, 0x22000, "parent does not have the page");

	/* The parent's own data is cut: a restore would spin. */
	PAGEMAP_AT(p1, "pagemap-42.img", 1, PRESENT(0x20000, 4));
	put_pages(p1, 1, 3);
	FATAL("parent/pagemap-42.img", WHOLE, "12288 bytes");

	/* A chain that leads back to itself does not loop. */
	PAGEMAP_AT(p2, "pagemap-42.img", 1, PARENT(0x20000, 4));
	PAGEMAP_AT(p1, "pagemap-42.img", 1, PARENT(0x20000, 4));
	assert_int_equal(symlinkat("../p1", p2, "parent"), 0);
	FATAL("parent (2 generations back)/pagemap-42.img", WHOLE, "chain does not end");
	close(p1);
	close(p2);
}

/* ---- VMAs, files, objects ------------------------------------------------------------ */

static void overlap(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_ANON2].start = 0x27000;
}

static void guard_first(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	Criu__VmaEntry guard = v[V_GUARD];

	v[V_GUARD] = v[V_VSYSCALL];
	v[V_VSYSCALL] = guard;
}

static void unsupported(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_VSYSCALL].status |= VMA_UNSUPP;
}

static void empty_vma(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_EXE].end = v[V_EXE].start;
}

static void no_such_file(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_EXE].shmid = 5;
}

static void no_memfd(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_MEMFD].shmid = 1;
}

static void no_exe(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	m->exe_file_id = 2;
}

static void lonely_ring(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	static Criu__AioRingEntry a = CRIU__AIO_RING_ENTRY__INIT;
	static Criu__AioRingEntry *p = &a;

	a.id = 0x50000;
	m->n_aios = 1;
	m->aios = &p;
}

static void larger_object(Criu__VmaEntry *v, Criu__MmEntry *m)
{
	v[V_SHM].shmid = 78;
}

TEST(vmas, setup, scratch_drop)
{
	/* So that a broken VMA is not a second finding. */
	PAGEMAP(PRESENT(0x20000, 1));
	mm(overlap);
	FATAL("mm-42.img", V_ANON2, 0x27000, "overlaps the VMA before");
	mm(guard_first);
	FATAL("mm-42.img", V_GUARD, 0xffffffffff600000, "guard regions must come after");
	mm(unsupported);
	FATAL("mm-42.img", V_VSYSCALL, 0xffffffffff600000, "cannot be dumped");
	mm(empty_vma);
	FATAL("mm-42.img", V_EXE, 0x10000, "empty range");
	mm(no_such_file);
	FATAL("mm-42.img", V_EXE, 0x10000, "file id 5 is not in files.img");
	mm(no_memfd);
	FATAL("mm-42.img", V_MEMFD, 0x40000, "file 1 is not a memfd");
	mm(no_exe);
	FATAL("mm-42.img", WHOLE, "executable (file id 2)");
	mm(lonely_ring);
	FATAL("mm-42.img", -1, 0x50000, "AIO ring without a VMA");
	mm(NULL);
	memfd(3, 8192);
	FATAL("mm-42.img", V_MEMFD, 0x40000, "memfd inode 1 of file 2 is not in memfd.img");
	memfd(1, 8192);
	files(2, true);
	struct verify_report r;
	struct err *e = verify_dir(scratch, &r);
	assert_non_null(e); /* and so the executable is not there */
	assert_false(r.v[0].fatal);
	assert_non_null(strstr(r.v[0].text, "file id 2 is there twice"));
	err_free(e);
	verify_report_deinit(&r);
}

TEST(objects, setup, scratch_drop)
{
	unlinkat(scratch_fd, "pagemap-shmem-88.img", 0);
	unlinkat(scratch_fd, "pages-3.img", 0);
	FATAL("pagemap-shmem-88.img", WHOLE, "missing: contents of memfd 88");
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-88.img", 3, PRESENT(0x2000, 1));
	FATAL("pagemap-shmem-88.img", 0, 0x2000, "beyond the end of the object (8192 bytes)");
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-88.img", 3, PRESENT(0x1000, 1));

	/* Shared memory is as large as its mappings: more pages are useless, but harmless. */
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-77.img", 2, PRESENT(0x3000, 2));
	FATAL("pagemap-shmem-77.img", 0, 0x3000, "beyond the end of the object (16384 bytes)");
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-77.img", 2, PRESENT(0x3000, 1), PRESENT(0x4000, 1));
	expect(false, "pagemap-shmem-77.img", 1, 0x4000, "beyond the end");

	PAGEMAP_AT(scratch_fd, "pagemap-shmem-77.img", 2);
	PAGEMAP_AT(scratch_fd, "pagemap-shmem-78.img", 4);
	expect(false, "pagemap-shmem-78.img", WHOLE, "nothing in this set maps shared object 78");
	mm(larger_object);
	expect(false, "pagemap-shmem-77.img", WHOLE, "nothing in this set maps shared object 77");
	unlinkat(scratch_fd, "pagemap-shmem-77.img", 0);
	unlinkat(scratch_fd, "pages-2.img", 0);
	unlinkat(scratch_fd, "pagemap-shmem-78.img", 0);
	unlinkat(scratch_fd, "pages-4.img", 0);
	FATAL("pagemap-shmem-78.img", WHOLE, "missing: contents of shared memory 78");
}

/* ---- whole files ------------------------------------------------------------------------ */

static void spoil(const char *name)
{
	int fd = openat(scratch_fd, name, O_WRONLY);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	close(fd);
}

TEST(torn_files, setup, scratch_drop)
{
	static const char *const names[] = { "inventory.img", "pstree.img", "mm-42.img",
					     "pagemap-42.img" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		spoil(names[i]);
		FATAL(names[i], WHOLE, "the file ends inside the entry");
		good_set();
	}
	spoil("stats-dump");
	expect(false, "stats-dump", WHOLE, "a restore does not read this file");
}

TEST(missing_files, setup, scratch_drop)
{
	unlinkat(scratch_fd, "inventory.img", 0);
	FATAL("inventory.img", WHOLE, "missing");
	good_set();
	unlinkat(scratch_fd, "files.img", 0);
	FATAL("files.img", WHOLE, "missing");
	good_set();
	unlinkat(scratch_fd, "mm-42.img", 0);
	struct verify_report r;
	struct err *e = verify_dir(scratch, &r);
	assert_non_null(e);
	assert_non_null(strstr(e->msg, "process 42 has no image"));
	err_free(e);
	verify_report_deinit(&r);
	good_set();
	unlinkat(scratch_fd, "pagemap-42.img", 0);
	unlinkat(scratch_fd, "pages-1.img", 0);
	FATAL("mm-42.img", WHOLE, "there is no pagemap-42.img");
}

/* Magics and one message, which is written out. */
static void put_other(const char *name, uint32_t magic, const char *message, uint32_t len)
{
	uint8_t b[64] = { 0x19, 0x43, 0x56, 0x54 };

	memcpy(b + 4, &magic, 4);
	memcpy(b + 8, &len, 4);
	memcpy(b + 12, message, len);
	put_file(scratch_fd, name, b, 12 + len);
}

#define FS_MAGIC 0x51403912
#define FDINFO_MAGIC 0x56213732

/* What CRIU needs for registers, descriptors and directories: only sets of criu have it. */
static void full_set(void)
{
	Criu__CoreEntry core = CRIU__CORE_ENTRY__INIT;
	Criu__TaskKobjIdsEntry ids = CRIU__TASK_KOBJ_IDS_ENTRY__INIT;

	good_set();
	core.mtype = CRIU__CORE_MACHINE__X86_64;
	ids.files_id = 5;
	ok(image_write_one(scratch_fd, IMG_CORE, PID, &core.base));
	ok(image_write_one(scratch_fd, IMG_IDS, PID, &ids.base));
	put_other("fs-42.img", FS_MAGIC, "\x08\x01\x10\x01\x18\x00", 6); /* both are file 1 */
	put_other("fdinfo-5.img", FDINFO_MAGIC, "\x08\x01\x10\x00\x18\x01\x20\x02", 8);
}

TEST(a_full_checkpoint_needs_more, setup, scratch_drop)
{
	static const char *const names[] = { "core-42.img", "ids-42.img", "fs-42.img" };
	struct verify_report r;

	full_set();
	ok(verify_dir(scratch, &r));
	assert_int_equal(r.nr, 0);
	verify_report_deinit(&r);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unlinkat(scratch_fd, names[i], 0);
		FATAL(names[i], WHOLE, "CRIU cannot restore a full checkpoint without it");
		full_set();
	}
	put_other("fdinfo-5.img", FDINFO_MAGIC, "\x08\x09\x10\x00\x18\x01\x20\x02", 8);
	FATAL("fdinfo-5.img", 0, 0, "descriptor 2 is file 9, which is not in files.img");
	put_other("fs-42.img", FS_MAGIC, "\x08\x09\x10\x01\x18\x00", 6);
	full_set();
	put_other("fs-42.img", FS_MAGIC, "\x08\x09\x10\x01\x18\x00", 6);
	FATAL("fs-42.img", 0, 0, "the working directory is file 9");
	full_set();
	put_other("seccomp.img", FS_MAGIC, "\x08\x01", 2);
	FATAL("seccomp.img", WHOLE, "type magic");
	unlinkat(scratch_fd, "seccomp.img", 0);

	/* A task without descriptors has no fdinfo; but who else used file 7? */
	unlinkat(scratch_fd, "fdinfo-5.img", 0);
	expect(false, "fdinfo-5.img", WHOLE, "the task had no open descriptor");
	files_and_another(7);
	FATAL("fdinfo-5.img", WHOLE, "1 files of files.img are used by nothing else");
}

static void gone(const char *name)
{
	assert_int_equal(unlinkat(scratch_fd, name, 0), 0);
}

static void expect_among_others(const char *file, const char *text)
{
	struct verify_report r;
	struct err *e = verify_dir(scratch, &r);
	bool found = false, fatal = strcmp(file, "stats-dump");

	assert_int_equal(!!e, fatal);
	if (e)
		assert_int_equal(e->code, ERR_CHECK);
	err_free(e);
	for (size_t i = 0; i < r.nr; i++)
		found |= r.v[i].fatal == fatal && !strcmp(r.v[i].file, file) &&
			 strstr(r.v[i].text, text);
	for (size_t i = 0; i < r.nr && !found; i++)
		print_error("found: %s: %s\n", r.v[i].file, r.v[i].text);
	assert_true(found);
	verify_report_deinit(&r);
}

/* Only what has neither pagemaps nor pages can be on a page server. */
TEST(pages_without_a_pagemap, setup, scratch_drop)
{
	gone("pagemap-42.img");
	expect_among_others("mm-42.img", "there is no pagemap-42.img");
	gone("pagemap-shmem-77.img");
	gone("pagemap-shmem-88.img");
	expect_among_others("mm-42.img", "there is no pagemap-42.img");
	expect_among_others("pagemap-shmem-77.img", "missing: contents of shared memory 77");
	expect_among_others("pages-1.img", "no pagemap refers to it");
	gone("pages-1.img");
	gone("pages-2.img");
	gone("pages-3.img");
	expect(false, "mm-42.img", WHOLE, "on a page server?");
}

TEST(pages_of_a_pre_dump_without_a_pagemap, setup, scratch_drop)
{
	gone("mm-42.img");
	inventory_at(scratch_fd, 0);
	gone("pagemap-42.img");
	FATAL("pages-1.img", WHOLE, "no pagemap refers to it");
}

static const char *const read_files[] = { "inventory.img",  "pstree.img",
					  "files.img",      "memfd.img",
					  "mm-42.img",      "stats-dump",
					  "pagemap-42.img", "pagemap-shmem-77.img",
					  "pages-1.img" };

/* Sets may come from strangers: nothing is waited for, and devices are not opened. */
TEST(not_regular_files, setup, scratch_drop)
{
	alarm(60);
	for (size_t i = 0; i < ARRAY_SIZE(read_files); i++) {
		const char *name = read_files[i];

		gone(name);
		assert_int_equal(mkfifoat(scratch_fd, name, 0600), 0);
		expect_among_others(strncmp(name, "pages-", 6) ? name : "pagemap-42.img",
				    "not a regular file");
		gone(name);
		assert_int_equal(symlinkat("/dev/zero", scratch_fd, name), 0);
		expect_among_others(strncmp(name, "pages-", 6) ? name : "pagemap-42.img",
				    "not a regular file");
		gone(name);
		assert_int_equal(mkdirat(scratch_fd, name, 0700), 0);
		expect_among_others(strncmp(name, "pages-", 6) ? name : "pagemap-42.img",
				    "not a regular file");
		assert_int_equal(unlinkat(scratch_fd, name, AT_REMOVEDIR), 0);
		good_set();
	}
	alarm(0);
}

/* Image version 1 has no head magics; a file that has one, or lacks it elsewhere, is foreign. */
TEST(image_version_1, setup, scratch_drop)
{
	static const char *const names[] = { "pstree.img",
					     "files.img",
					     "memfd.img",
					     "mm-42.img",
					     "pagemap-42.img",
					     "pagemap-shmem-77.img",
					     "pagemap-shmem-88.img",
					     "stats-dump" };
	static uint8_t buf[65536];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = openat(scratch_fd, names[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = pread(fd, buf, sizeof(buf), 4);

		close(fd);
		assert_true(n > 0);
		put_file(scratch_fd, names[i], buf, (size_t)n);
		if (!i)
			FATAL("pstree.img", WHOLE, "no head magic, as before image version 2");
	}
	inventory_at(scratch_fd, 1);
	expect(false, "inventory.img", WHOLE, "image version 1");
	mm(NULL);
	expect_among_others("mm-42.img", "it has a head magic");
}

/* Bytes that were punched out read as zero: harm to whoever needs them. */
TEST(punched, setup, scratch_drop)
{
	int fd = openat(scratch_fd, "pages-1.img", O_WRONLY | O_CLOEXEC);

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192)) {
		print_message("skipped: no holes can be punched here\n");
		close(fd);
		skip();
	}
	close(fd);
	/* The second entry of the pagemap begins with the second page of the file. */
	FATAL("pagemap-42.img", -1, 0x27000, "2 of its pages are holes in pages-1.img");

	good_set();
	int up = parent_dir("p", scratch_fd);
	PAGEMAP(PRESENT(0x20000, 2), PARENT(0x22000, 2));
	PAGEMAP_AT(up, "pagemap-42.img", 1, PRESENT(0x20000, 4));
	fd = openat(up, "pages-1.img", O_WRONLY | O_CLOEXEC);
	/* Those that the child has itself. */
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
	struct verify_report r;
	ok(verify_dir(scratch, &r));
	verify_report_deinit(&r);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 12288, 4096), 0);
	FATAL("pagemap-42.img", -1, 0x23000, "1 pages of its holes are holes in the parent's");
	close(fd);
	close(up);
}

/* Their ends are far away, and there is nothing up to them. */
TEST(sparse_files, setup, scratch_drop)
{
	alarm(60);
	for (size_t i = 0; i < ARRAY_SIZE(read_files); i++) {
		struct verify_report r;
		int fd = openat(scratch_fd, read_files[i], O_WRONLY);

		assert_int_equal(ftruncate(fd, 10l << 30), 0);
		close(fd);
		/* Pages files are not read beyond what the entries promise, nor others beyond their only entry. */
		if (!strncmp(read_files[i], "pages-", 6) || !strcmp(read_files[i], "mm-42.img") ||
		    !strcmp(read_files[i], "inventory.img") || !strcmp(read_files[i], "stats-dump"))
			ok(verify_dir(scratch, &r));
		else
			fails(verify_dir(scratch, &r), ERR_CHECK, "");
		verify_report_deinit(&r);
		good_set();
	}
	alarm(0);
}

TEST(a_pre_dump_needs_less, setup, scratch_drop)
{
	static const char *const gone[] = { "mm-42.img", "pstree.img", "files.img", "memfd.img" };
	struct verify_report r;

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		assert_int_equal(unlinkat(scratch_fd, gone[i], 0), 0);
	inventory_at(scratch_fd, 0);
	ok(verify_dir(scratch, &r));
	assert_int_equal(r.nr, 0);
	assert_int_equal(r.pages_present, 5);
	verify_report_deinit(&r);
	put_pages(scratch_fd, 1, 1);
	FATAL("pagemap-42.img", WHOLE, "4096 bytes");
}

TEST(no_directory, setup, scratch_drop)
{
	struct verify_report r;
	struct err *e = verify_dir("/nonexistent/x", &r);

	assert_non_null(e);
	assert_int_equal(e->code, ERR_SYS);
	assert_int_equal(e->sys_errno, ENOENT);
	err_free(e);
	verify_report_deinit(&r);
}

/* Thousands of findings are counted, not kept. */
TEST(findings_are_bounded, setup, scratch_drop)
{
	struct pagemap_entry *e = calloc(5001, sizeof(*e));
	struct verify_report r;

	for (uint64_t i = 0; i < 5000; i++)
		e[i] = (struct pagemap_entry){ .vaddr = i << 12, .nr_pages = 1, .flags = 0 };
	e[5000] = END;
	pagemap_at(scratch_fd, "pagemap-42.img", 1, e);
	free(e);
	struct err *er = verify_dir(scratch, &r);
	assert_non_null(er);
	err_free(er);
	assert_int_equal(r.nr_fatal, 5000);
	assert_int_equal(r.nr, VERIFY_FINDINGS_MAX);
	verify_report_deinit(&r);
}
