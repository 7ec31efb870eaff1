/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole set of a live process, read by crit (CRIU's own tool), and images made by crit, read by
 * us.  The process is a child of this test that maps every kind of memory that images can describe.
 */
#include <ctype.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <json-c/json.h>

#include "engine/dump/img_task.h"
#include "engine/dump/shmem.h"
#include "engine/image/image.h"
#include "engine/image/pagemap_image.h"
#include "engine/image/verify.h"
#include "engine/proc/proc.h"
#include "proto/files.pb-c.h"

#include "tests/lib/images.h"

struct facts { /* reported by the child */
	uint64_t brk, memfd, anon, deleted, aio, guard;
};

static pid_t child;
static struct facts facts;
static struct task_info ti;
static struct vma_list vmas;
static uint64_t pages;

static void be_the_child(int out)
{
	char name[] = "/tmp/stepdump-deleted.XXXXXX";
	int mfd = memfd_create("crit memfd", MFD_ALLOW_SEALING), tmp = mkstemp(name);
	aio_context_t aio = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mfd < 0 || tmp < 0 || unlink(name) || ftruncate(mfd, 3 * 4096) || ftruncate(tmp, 4096))
		_exit(1);
	char *m = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mfd, 0);
	char *a = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *d = mmap(NULL, 4096, PROT_READ, MAP_SHARED, tmp, 0);
	if (m == MAP_FAILED || a == MAP_FAILED || d == MAP_FAILED)
		_exit(1);
	m[4096] = 'm';
	a[0] = 'a';
	syscall(SYS_io_setup, 126, &aio);
	struct facts f = { (uint64_t)sbrk(0), (uint64_t)m, (uint64_t)a,
			   (uint64_t)d,       aio,         (uint64_t)m };
	if (write(out, &f, sizeof(f)) != sizeof(f))
		_exit(1);
	for (;;)
		pause();
}

/* Private memory: the first page of every VMA that has one to read. */
static void write_pages(void)
{
	char path[64], page[4096], name[IMAGE_NAME_MAX];
	struct pagemap_writer w;

	snprintf(path, sizeof(path), "/proc/%d/mem", child);
	int mem = open(path, O_RDONLY);
	int out = openat(scratch_fd, "pages-1.img", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(mem >= 0 && out >= 0);
	ok(pagemap_writer_open(&w, scratch_fd, image_name(IMG_PAGEMAP, (uint64_t)child, name), 1));
	for (size_t i = 0; i < vmas.nr; i++) {
		const struct vma *v = &vmas.v[i];

		if (!vma_is_private(v) || vma_never_dumped(v) ||
		    pread(mem, page, sizeof(page), (off_t)v->start) != sizeof(page))
			continue;
		ok(pagemap_writer_add(&w, v->start, 1, PE_PRESENT));
		assert_int_equal(write(out, page, sizeof(page)), sizeof(page));
		pages++;
	}
	ok(pagemap_writer_close(&w));
	close(mem);
	close(out);
	assert_true(pages > 5);
}

static void write_objects(void)
{
	const struct target t = { .pid = child, .vmas = vmas };
	struct shmem_list l = { 0 };
	uint32_t id = 2;

	shmem_collect(&l, 0, &t, false);
	for (size_t i = 0; i < l.nr; i++) {
		char name[IMAGE_NAME_MAX], page[4096];
		struct pagemap_writer w;
		uint64_t from = 0, end;

		snprintf(name, sizeof(name), "pages-%u.img", id);
		int out = openat(scratch_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		ok(shmem_open(&l.o[i]));
		image_name(IMG_SHMEM_PAGEMAP, l.o[i].shmid, name);
		ok(pagemap_writer_open(&w, scratch_fd, name, id++));
		for (;;) {
			ok(shmem_next_data(&l.o[i], from, &from, &end));
			if (from == end)
				break;
			ok(pagemap_writer_add(&w, from, (end - from) / 4096, PE_PRESENT));
			for (; from < end; from += 4096) {
				assert_int_equal(pread(l.o[i].fd, page, 4096, (off_t)from), 4096);
				assert_int_equal(write(out, page, 4096), 4096);
			}
		}
		ok(pagemap_writer_close(&w));
		close(out);
	}
	shmem_list_deinit(&l);
}

/* Ticks are all that CRIU compares, and the child may be younger than one. */
static void wait_for_next_tick(void)
{
	const uint64_t us_per_tick = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t now;

	do {
		sched_yield();
		ok(uptime_us(&now));
	} while (now / us_per_tick <= ti.stat.start_time_ticks);
}

static void write_set(void)
{
	const struct task_info *const tasks[] = { &ti };
	Criu__DumpStatsEntry stats = CRIU__DUMP_STATS_ENTRY__INIT;
	const struct guard_range guard = { facts.guard, facts.guard + 4096 };
	const int root = -1;
	struct file_table *ft;
	uint64_t uptime;
	uint32_t exe = 0;

	ok(proc_read_vmas(child, &vmas));
	ok(task_info_collect(child, &ti));
	ti.brk = facts.brk;
	ti.dumpable = 1;
	ti.was_stopped = true;
	ft = file_table_create();
	ok(file_table_add(ft, &ti, &vmas, &exe));
	ok(img_files_write(ft, scratch_fd));
	file_table_destroy(ft);
	ok(img_pstree_write(scratch_fd, tasks, &root, 1));
	ok(img_core_write(scratch_fd, &ti));
	ok(img_ids_write(scratch_fd, &ti, 1));
	ok(img_mm_write(scratch_fd, &ti, &vmas, &guard, 1, exe));
	wait_for_next_tick();
	ok(uptime_us(&uptime));
	ok(img_inventory_write(scratch_fd, uptime));
	write_pages();
	write_objects();
	stats.pages_written = pages;
	stats.has_page_pipes = true;
	stats.page_pipes = 8;
	ok(img_stats_write(scratch_fd, &stats));
}

static int setup(void **state)
{
	int p[2], status;

	if (access("/usr/bin/crit", X_OK)) {
		print_message("skipped: crit (Debian's criu package) is not installed\n");
		return 0;
	}
	if (scratch_make(state) || pipe(p))
		return -1;
	fflush(NULL);
	child = fork();
	if (!child)
		be_the_child(p[1]);
	close(p[1]);
	ssize_t n = read(p[0], &facts, sizeof(facts));
	close(p[0]);
	/* Not a race: the child only waits from here on; it must be stopped when it is read. */
	if (n != sizeof(facts) || kill(child, SIGSTOP) ||
	    waitpid(child, &status, WUNTRACED) != child)
		return -1;
	write_set();
	return 0;
}

static int teardown(void **state)
{
	if (!child)
		return 0;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	vma_list_deinit(&vmas);
	task_info_deinit(&ti);
	return scratch_drop(state);
}

static void need_crit(void)
{
	if (!child)
		skip();
}

/* Output of a command that must succeed; caller frees. */
__attribute__((format(printf, 1, 2))) static char *run(const char *fmt, ...)
{
	char cmd[512], *out = NULL;
	size_t len = 0, n = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	do {
		out = realloc(out, len + 65536);
		n = fread(out + len, 1, 65535, f);
		len += n;
	} while (n);
	out[len] = '\0';
	int status = pclose(f);
	if (status)
		print_error("%s: status %x\n", cmd, status);
	assert_int_equal(status, 0);
	return out;
}

/* The entries that crit sees in a file.  Caller puts *root. */
static json_object *decode(const char *name, json_object **root)
{
	char *text = run("crit decode -i '%s/%s'", scratch, name);
	json_object *entries;

	*root = json_tokener_parse(text);
	free(text);
	assert_non_null(*root);
	assert_true(json_object_object_get_ex(*root, "entries", &entries));
	return entries;
}

static json_object *field(json_object *o, const char *name)
{
	json_object *v;

	if (!json_object_object_get_ex(o, name, &v)) {
		print_error("no field %s\n", name);
		fail();
	}
	return v;
}

static uint64_t num(json_object *o, const char *name)
{
	return json_object_get_uint64(field(o, name));
}

TEST(every_image_decodes)
{
	static const char *const magics[] = { "INVENTORY", "PSTREE", "CORE",        "IDS",  "MM",
					      "PAGEMAP",   "FILES",  "MEMFD_INODE", "STATS" };
	char *names = run("ls %s", scratch), *save;
	size_t seen = 0;

	need_crit();
	for (char *n = strtok_r(names, "\n", &save); n; n = strtok_r(NULL, "\n", &save)) {
		json_object *root;

		if (!strncmp(n, "pages-", 6))
			continue;
		assert_true(json_object_array_length(decode(n, &root)) > 0);
		const char *magic = json_object_get_string(field(root, "magic"));
		for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
			if (!strcmp(magic, magics[i]))
				seen |= 1u << i;
		json_object_put(root);
		free(run("crit decode --pretty -i '%s/%s'", scratch, n));
	}
	free(names);
	assert_int_equal(seen, (1u << (ARRAY_SIZE(magics))) - 1);
}

/* crit's view of mm against the kernel's maps. */
TEST(mm_equals_maps)
{
	char name[IMAGE_NAME_MAX], path[64], line[512];
	json_object *root, *mm, *list;
	size_t i = 0;

	need_crit();
	mm = json_object_array_get_idx(decode(image_name(IMG_MM, (uint64_t)child, name), &root), 0);
	list = field(mm, "vmas");
	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	FILE *f = fopen(path, "r");
	while (fgets(line, sizeof(line), f)) {
		json_object *v = json_object_array_get_idx(list, i);
		uint64_t start, end, off;
		char perm[5];

		assert_int_equal(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, &start, &end,
					perm, &off),
				 4);
		if (strstr(line, "[vvar_vclock]")) { /* CRIU merges it with [vvar] */
			assert_int_equal(num(json_object_array_get_idx(list, i - 1), "end"), end);
			continue;
		}
		i++;
		assert_int_equal(num(v, "start"), start);
		if (!strstr(line, "[vvar]"))
			assert_int_equal(num(v, "end"), end);
		assert_int_equal(num(v, "prot"),
				 (perm[0] == 'r') | (perm[1] == 'w') << 1 | (perm[2] == 'x') << 2);
		if (strchr(line, '/'))
			assert_int_equal(num(v, "pgoff"), off);
		assert_int_equal(json_object_get_int64(field(v, "fd")), -1);
		if (start == facts.memfd)
			assert_int_equal(num(v, "status") & VMA_AREA_MEMFD, VMA_AREA_MEMFD);
	}
	fclose(f);
	/* The guard region comes last, and nothing after it. */
	assert_int_equal(json_object_array_length(list), i + 1);
	json_object *guard = json_object_array_get_idx(list, i);
	assert_int_equal(num(guard, "status"), VMA_AREA_GUARD);
	assert_int_equal(num(guard, "start"), facts.guard);

	assert_int_equal(num(mm, "mm_brk"), facts.brk);
	assert_int_equal(num(mm, "mm_start_stack"), ti.stat.start_stack);
	assert_true(json_object_array_length(field(mm, "mm_saved_auxv")) >= 20);
	assert_int_equal(json_object_array_length(field(mm, "mm_saved_auxv")) % 2, 0);
	if (facts.aio) {
		json_object *a = json_object_array_get_idx(field(mm, "aios"), 0);

		assert_int_equal(num(a, "id"), facts.aio);
		assert_int_equal(num(a, "nr_req"), 126);
		assert_int_equal(num(a, "ring_len"), 8192);
	}
	json_object_put(root);
}

TEST(files_are_what_is_mapped)
{
	json_object *root, *list;
	bool exe = false, deleted = false, memfd = false;
	char self[4096] = "";
	struct stat st;

	need_crit();
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_int_equal(stat(self, &st), 0);
	list = decode("files.img", &root);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *f = json_object_array_get_idx(list, i), *reg;

		assert_int_equal(num(f, "id"), i + 1);
		memfd |= !strcmp(json_object_get_string(field(f, "type")), "MEMFD");
		if (!json_object_object_get_ex(f, "reg", &reg))
			continue;
		const char *name = json_object_get_string(field(reg, "name"));
		if (!strcmp(name, self)) {
			exe = true;
			assert_int_equal(num(reg, "size"), st.st_size);
		}
		deleted |=
			!strncmp(name, "/tmp/stepdump-deleted.", 22) && strstr(name, " (deleted)");
	}
	assert_true(exe);
	assert_true(deleted);
	assert_true(memfd);
	json_object_put(root);

	list = decode("memfd.img", &root);
	json_object *m = NULL;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (!strcmp(json_object_get_string(
				    field(json_object_array_get_idx(list, i), "name")),
			    "crit memfd"))
			m = json_object_array_get_idx(list, i);
	assert_non_null(m);
	assert_int_equal(num(m, "size"), 3 * 4096);
	assert_int_equal(num(m, "seals"), 0); /* it allows sealing */
	json_object_put(root);
}

TEST(the_rest_says_what_is_true)
{
	char name[IMAGE_NAME_MAX];
	json_object *root, *o;

	need_crit();
	o = json_object_array_get_idx(decode("pstree.img", &root), 0);
	assert_int_equal(num(o, "pid"), child);
	assert_int_equal(num(o, "ppid"), 0);
	assert_int_equal(num(o, "pgid"), getpgid(child));
	assert_int_equal(num(o, "sid"), getsid(child));
	assert_int_equal(json_object_array_length(field(o, "threads")), 1);
	json_object_put(root);

	o = json_object_array_get_idx(decode("inventory.img", &root), 0);
	assert_int_equal(num(o, "img_version"), 2);
	assert_true(json_object_get_boolean(field(o, "fdinfo_per_id")));
	assert_true(json_object_get_boolean(field(o, "ns_per_id")));
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	uint64_t up = num(o, "dump_uptime"), now_us = (uint64_t)now.tv_sec * 1000000;
	assert_true(up <= now_us + 1000000 && up + 600000000 > now_us);
	/* The test of CRIU for a reused pid must not fire: we started before the dump. */
	assert_true(ti.stat.start_time_ticks < up / (1000000 / (uint64_t)sysconf(_SC_CLK_TCK)));
	json_object_put(root);

	o = json_object_array_get_idx(decode(image_name(IMG_IDS, (uint64_t)child, name), &root), 0);
	assert_int_equal(num(o, "vm_id"), 2);
	assert_int_equal(num(o, "pid_ns_id"), 1); /* same namespaces as ours */
	assert_int_equal(num(o, "cgroup_ns_id"), 7);
	json_object_put(root);

	o = field(json_object_array_get_idx(decode("stats-dump", &root), 0), "dump");
	assert_int_equal(num(o, "pages_written"), pages);
	assert_int_equal(num(o, "page_pipes"), 8);
	json_object_put(root);
}

TEST(crit_x)
{
	char want[4200];

	need_crit();
	char *ps = run("crit x %s ps", scratch);
	snprintf(want, sizeof(want), "%7d%7d%7d   ", child, getpgid(child), getsid(child));
	assert_non_null(strstr(ps, want));
	assert_non_null(strstr(strstr(ps, want), ti.stat.comm));
	free(ps);

	char *mems = run("crit x %s mems", scratch);
	snprintf(want, sizeof(want), "\t%-36s    %s\n", "exe", ti.exe);
	assert_non_null(strstr(mems, want));
	assert_non_null(strstr(mems, "[vdso]"));
	size_t lines = 0;
	for (const char *p = mems; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, vmas.nr + 1 /* guard */ + 2 /* pid, exe */);
	free(mems);

	char *rss = run("crit x %s rss", scratch);
	snprintf(want, sizeof(want), "\t%" PRIx64 " / 1", vmas.v[0].start);
	assert_non_null(strstr(rss, want));
	free(rss);
}

TEST(our_own_check)
{
	struct verify_report r;

	need_crit();
	ok(verify_dir(scratch, &r));
	assert_int_equal(r.nr_notes, 0);
	assert_true(r.pages_present > pages);
	verify_report_deinit(&r);
}

/* The other way round: crit writes, we read; and what we wrote survives crit byte by byte. */
TEST(crit_encodes)
{
	static const char json[] = "{\"magic\":\"PAGEMAP\",\"entries\":[{\"pages_id\":7},"
				   "{\"vaddr\":4096,\"nr_pages\":3},"
				   "{\"vaddr\":65536,\"nr_pages\":2,\"in_parent\":true},"
				   "{\"vaddr\":131072,\"nr_pages\":1,\"flags\":6}]}";
	struct pagemap_image pi;
	char path[128];

	need_crit();
	snprintf(path, sizeof(path), "%s/in.json", scratch);
	FILE *f = fopen(path, "w");
	fputs(json, f);
	fclose(f);
	free(run("crit encode -i %s/in.json -o %s/pagemap-999999.img", scratch, scratch));
	ok(pagemap_image_read(scratch_fd, "pagemap-999999.img", &pi));
	assert_int_equal(pi.pages_id, 7);
	assert_int_equal(pi.nr, 3);
	assert_int_equal(pi.e[0].nr_pages, 3);
	assert_int_equal(pi.e[0].flags, PE_PRESENT);
	assert_int_equal(pi.e[1].flags, PE_PARENT);
	assert_int_equal(pi.e[2].flags, PE_PRESENT | PE_LAZY);
	assert_int_equal(pi.e[2].pages_off, 3 * 4096);
	pagemap_image_deinit(&pi);

	free(run("cd %s && for i in mm-%d files memfd pstree ids-%d inventory; do "
		 "crit decode -i $i.img | crit encode > again && cmp again $i.img || exit 1; done",
		 scratch, child, child));
}

GROUP(setup, teardown);
