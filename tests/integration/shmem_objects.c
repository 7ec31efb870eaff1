/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared memory as objects: which mapping maps which object, how an object is opened, where its
 * data is.  The objects are real and our own, so their contents are known.
 */
#include <sys/prctl.h>
#include <sys/shm.h>

#include "engine/dump/shmem.h"
#include "engine/proc/proc.h"

#include "tests/lib/test.h"

#define RW (PROT_READ | PROT_WRITE)
#define MAX 400u /* pages of an object */

static struct target self;
static struct shmem_list l;

static void collect(bool pre_dump)
{
	self.pid = getpid();
	ok(proc_read_vmas(self.pid, &self.vmas));
	shmem_collect(&l, 7, &self, pre_dump);
}

static int end(void **state)
{
	shmem_list_deinit(&l);
	vma_list_deinit(&self.vmas);
	return 0;
}

/* The object that is mapped at `p`. */
static struct shmem_info *object_at(const void *p)
{
	ssize_t i = vma_list_find(&self.vmas, (uint64_t)p);

	assert_true(i >= 0);
	return shmem_find(&l, &self.vmas.v[i]);
}

static int new_memfd(size_t pages)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)(pages * PAGE)));
	return fd;
}

static char *shared(size_t pages, int fd, size_t first)
{
	char *p = mmap(NULL, pages * PAGE, RW, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
		       (off_t)(first * PAGE));

	MUST(p != MAP_FAILED);
	return p;
}

/* ---- who maps what ---------------------------------------------------------------- */

TEST(an_object_is_one_whatever_maps_it, NULL, end)
{
	int fd = new_memfd(30);
	char *a = shared(5, fd, 5), *b = shared(12, fd, 8), *c = shared(20, -1, 0);
	struct stat st;
	uint64_t dev;

	collect(false);
	struct shmem_info *m = object_at(a), *n = object_at(c);

	assert_non_null(m);
	assert_non_null(n);
	assert_ptr_equal(object_at(b), m);
	assert_ptr_not_equal(m, n);
	MUST(!fstat(fd, &st));
	ok(proc_shmem_dev(&dev));
	assert_int_equal(m->shmid, st.st_ino);
	assert_int_equal(m->dev, dev);
	assert_int_equal(m->nr_maps, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct shmem_map *map = &m->map[i];
		bool first = map->start == (uint64_t)a;

		assert_true(first || map->start == (uint64_t)b);
		assert_int_equal(map->off_pages, first ? 5 : 8);
		assert_int_equal(map->nr_pages, first ? 5 : 12);
		assert_int_equal(map->end - map->start, map->nr_pages * PAGE);
		assert_int_equal(map->task, 7);
		assert_int_equal(map->pid, getpid());
		assert_int_equal(self.vmas.v[map->vma].start, map->start);
	}
	assert_int_equal(m->size, 20 * PAGE); /* only the mapped part is known so far */
	ok(shmem_open(m));
	assert_int_equal(m->size, 30 * PAGE);
	assert_string_equal(m->kind, "memfd");
	assert_int_equal(n->nr_maps, 1);
	assert_int_equal(n->size, 20 * PAGE);
	munmap(a, 5 * PAGE);
	munmap(b, 12 * PAGE);
	munmap(c, 20 * PAGE);
	close(fd);
}

/* A private mapping of a memfd needs the content of the memfd too; a file keeps its own. */
TEST(private_memfds_are_objects_and_files_are_none, NULL, end)
{
	char path[] = "/tmp/stepdump-unit.XXXXXX";
	int file = mkstemp(path), fd = new_memfd(3);

	MUST(file >= 0 && !unlink(path) && !ftruncate(file, (off_t)PAGE));
	char *f = shared(1, file, 0);
	char *p = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
	char *anon = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED && anon != MAP_FAILED);
	collect(false);
	assert_non_null(object_at(p));
	assert_string_equal(object_at(p)->kind, "memfd");
	assert_null(object_at(f));
	assert_null(object_at(anon));
	munmap(f, PAGE);
	munmap(p, 3 * PAGE);
	munmap(anon, PAGE);
	close(file);
	close(fd);
}

TEST(a_sysv_segment_is_known_by_its_id, NULL, end)
{
	int id = shmget(IPC_PRIVATE, 5 * PAGE + 100, IPC_CREAT | 0600);

	if (id < 0) {
		print_message("skipped: no System V shared memory (%s)\n", strerror(errno));
		skip();
	}
	char *p = shmat(id, NULL, 0);

	MUST(p != (void *)-1 && !shmctl(id, IPC_RMID, NULL));
	p[2 * PAGE] = 1;
	collect(false);
	struct shmem_info *o = object_at(p);
	uint64_t from, to;

	assert_non_null(o);
	assert_string_equal(o->kind, "sysv");
	assert_int_equal(o->shmid, id);
	ok(shmem_open(o));
	assert_int_equal(o->size, 6 * PAGE);
	ok(shmem_next_data(o, 0, &from, &to));
	assert_int_equal(from, 2 * PAGE);
	assert_int_equal(to, 3 * PAGE);
	shmdt(p);
}

TEST(a_pre_dump_leaves_memfds_out, NULL, end)
{
	int fd = new_memfd(3);
	char *a = shared(3, fd, 0);

	collect(true);
	assert_null(object_at(a));
	for (size_t i = 0; i < l.nr; i++)
		assert_string_not_equal(l.o[i].kind, "memfd");
	munmap(a, 3 * PAGE);
	close(fd);
}

/* ---- where data is ---------------------------------------------------------------- */

/* Walks the object as generate-iovs does, and marks the pages that have data. */
static void walk(const struct shmem_info *o, bool data[MAX])
{
	uint64_t at = 0, turns = 0;

	memset(data, 0, MAX * sizeof(*data));
	while (at < o->size) {
		uint64_t from, to;

		assert_true(turns++ <= MAX);
		ok(shmem_next_data(o, at, &from, &to));
		assert_true(from >= at && from <= to && to <= o->size);
		assert_int_equal(from % PAGE, 0);
		assert_int_equal(to % PAGE, 0);
		if (from == to) {
			assert_int_equal(from, o->size); /* no more data: a hole to the end */
			break;
		}
		for (; from < to; from += PAGE)
			data[from / PAGE] = true;
		at = to;
	}
	uint64_t from = 77, to = 77;

	ok(shmem_next_data(o, o->size, &from, &to));
	assert_int_equal(from, to);
}

TEST(data_is_found_where_it_was_written, NULL, end)
{
	for (unsigned round = 0; round < rounds(60); round++) {
		size_t pages = 1 + rnd(MAX), mapped = 1 + rnd(pages);
		bool want[MAX] = { false }, is[MAX], any = false;
		bool memfd = rnd(2);
		int fd = memfd ? new_memfd(pages) : -1;
		char *p = shared(pages, fd, 0);
		unsigned style = (unsigned)rnd(4); /* 0: empty, 1: full, else runs */

		for (size_t i = 0; i < pages;) {
			bool on = style == 1 || (style && rnd(2));

			for (size_t n = 1 + rnd(12); n && i < pages; n--, i++)
				if (on) {
					p[i * PAGE] = 1;
					want[i] = true;
				}
		}
		if (memfd && rnd(2)) { /* a hole is punched */
			size_t from = rnd(pages), nr = 1 + rnd(pages - from);

			MUST(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)(from * PAGE), (off_t)(nr * PAGE)));
			memset(want + from, 0, nr * sizeof(*want));
		}
		/* Only a part stays mapped.  A memfd counts in full, other objects as far as they
		 * are mapped. */
		if (mapped < pages)
			MUST(!munmap(p + mapped * PAGE, (pages - mapped) * PAGE));
		collect(false);
		struct shmem_info *o = object_at(p);

		assert_non_null(o);
		ok(shmem_open(o));
		assert_int_equal(o->size, (memfd ? pages : mapped) * PAGE);
		walk(o, is);
		for (size_t i = 0; i < o->size / PAGE; i++) {
			if (is[i] != want[i])
				print_error("page %zu of %zu (%zu mapped): data %d\n", i, pages,
					    mapped, is[i]);
			assert_int_equal(is[i], want[i]);
			any |= want[i];
		}
		assert_int_equal(any && style == 0, 0);
		munmap(p, mapped * PAGE);
		if (memfd)
			close(fd);
		end(state);
	}
}

TEST(an_object_smaller_than_its_mapping, NULL, end)
{
	int fd = new_memfd(10);
	char *p = shared(10, fd, 0);
	bool is[MAX];

	p[0] = p[3 * PAGE] = p[8 * PAGE] = 1;
	MUST(!ftruncate(fd, (off_t)(3 * PAGE + 100))); /* not even whole pages */
	collect(false);
	struct shmem_info *o = object_at(p);

	ok(shmem_open(o));
	assert_int_equal(o->size, 4 * PAGE);
	walk(o, is);
	assert_true(is[0] && !is[1] && !is[2] && is[3]);
	end(state);

	MUST(!ftruncate(fd, 0));
	collect(false);
	o = object_at(p);
	ok(shmem_open(o));
	assert_int_equal(o->size, 0);
	walk(o, is);
	munmap(p, 10 * PAGE);
	close(fd);
}

/* ---- how it is reached ------------------------------------------------------------ */

/* In a child without privileges: 0 as expected, else a line number. */
static int as_nobody(char *anon, char *mem, int fd)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
	    prctl(PR_SET_DUMPABLE, 1))
		return __LINE__;
	self.pid = getpid();
	if (proc_read_vmas(self.pid, &self.vmas))
		return __LINE__;
	shmem_collect(&l, 0, &self, false);
	struct shmem_info *o = object_at(mem);

	if (!o || shmem_open(o))
		return __LINE__;
	if (strcmp(o->how, "fd"))
		return __LINE__;
	struct stat a, b;

	if (fstat(o->fd, &a) || fstat(fd, &b) || a.st_ino != b.st_ino || o->fd == fd)
		return __LINE__;
	o = object_at(anon); /* nobody has a descriptor of that */
	struct err *e = o ? shmem_open(o) : NULL;

	if (!e || e->code != ERR_REFUSED || e->sys_errno != EPERM || !e->hint || o->fd >= 0)
		return __LINE__;
	err_free(e);
	return 0;
}

TEST(without_privileges_by_a_descriptor_of_the_target, NULL, end)
{
	int fd = new_memfd(3), status;
	char *mem = shared(3, fd, 0), *anon = shared(2, -1, 0);

	if (geteuid())
		skip_because("only root can become somebody else");
	mem[0] = anon[0] = 1;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid)
		_exit(as_nobody(anon, mem, fd) & 0xff);
	MUST(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);

	collect(false);
	struct shmem_info *o = object_at(anon);

	ok(shmem_open(o));
	assert_string_equal(o->how, "map_files");
	int same = o->fd;

	ok(shmem_open(o)); /* once is enough */
	assert_int_equal(o->fd, same);
	munmap(mem, 3 * PAGE);
	munmap(anon, 2 * PAGE);
	close(fd);
}
