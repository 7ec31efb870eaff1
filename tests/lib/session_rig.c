/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>

#include "tests/lib/session_rig.h"

struct session *s;
pid_t child;
struct memory child_has;
struct run_child its;

const struct memory small = { .dense = 300, .sparse = 120, .memfd = 40, .shared = 50 };

void child_make(struct memory m)
{
	char program[PATH_MAX + 32], arg[5][24];
	size_t nr[5] = { m.dense, m.sparse, m.memfd, m.shared, m.filed };
	int p[2];

	/* beside this program: .../tests/integration/NAME and .../tests/targets/run_child */
	ssize_t len = readlink("/proc/self/exe", program, PATH_MAX);

	MUST(len > 0);
	program[len] = '\0';
	for (int i = 0; i < 2; i++)
		*strrchr(program, '/') = '\0';
	strcat(program, "/targets/run_child");
	for (int i = 0; i < 5; i++)
		snprintf(arg[i], sizeof(arg[i]), "%zu", nr[i]);
	MUST(!pipe2(p, O_CLOEXEC));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(p[1], STDOUT_FILENO);
		execl(program, "run_child", arg[0], arg[1], arg[2], arg[3], arg[4], NULL);
		perror(program);
		_exit(127);
	}
	close(p[1]);
	MUST(read(p[0], &its, sizeof(its)) == sizeof(its));
	close(p[0]);
	child_has = m;
}

void set(const char *name, const char *value)
{
	const struct opt_desc *o = opt_find(name);

	assert_non_null(o);
	ok(opt_parse(session_opts(s), o, value));
}

void session_over(struct memory m)
{
	char dir[96];

	child_make(m);
	ok(session_create(&s));
	struct err *e = session_attach(s, child);

	if (e && e->code == ERR_TARGET && e->sys_errno == EPERM) {
		print_message("skipped: no ptrace here\n");
		err_free(e);
		skip();
	}
	ok(e);
	snprintf(dir, sizeof(dir), "%s/dump", scratch);
	set("dir", dir);
	session_opts(s)->pipe_pages = 16;
}

int small_target(void **state)
{
	if (scratch_make(state))
		return -1;
	session_over(small);
	return 0;
}

int end_target(void **state)
{
	int status, bad = 0;

	if (s) {
		struct err *e = session_destroy(s);

		if (e) {
			print_error("session_destroy: %s\n", e->msg);
			err_free(e);
			bad = -1;
		}
	}
	s = NULL;
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	child = 0;
	return bad | scratch_drop(state);
}

struct err *run_kind(enum run_kind kind, unsigned count, const char *where, struct stop *ret)
{
	struct run_request req = { .kind = kind, .count = count, .where = where };
	Stepdump__Stop *stop = NULL;
	struct err *e = session_run(s, &req, &stop);

	*ret = (struct stop){ .ppb = -1, .vma = -1, .verdict = -1 };
	if (!stop) {
		assert_non_null(e);
		return e;
	}
	snprintf(ret->reason, sizeof(ret->reason), "%s", stop->reason);
	ret->breakpoint = stop->breakpoint;
	assert_non_null(stop->cursor);
	ret->phase = stop->cursor->phase;
	ret->chunk = stop->cursor->chunk;
	const Stepdump__Unit *u = stop->cursor->next;

	if (u) {
		ret->ppb = u->has_ppb ? (int)u->ppb : -1;
		ret->vma = u->has_vma_index ? (int)u->vma_index : -1;
		ret->start = u->start;
		ret->end = u->end;
		ret->verdict = u->has_verdict ? (int)u->verdict : -1;
	}
	stepdump__stop__free_unpacked(stop, NULL);
	return e;
}

struct stop run(enum run_kind kind, unsigned count, const char *where)
{
	struct stop stop;

	ok(run_kind(kind, count, where, &stop));
	return stop;
}

int staging_fd(void)
{
	struct snap_request req = { .parts = SNAP_XFER };
	Stepdump__Snapshot *snap;

	ok(snap_take(s, &req, &snap));
	assert_non_null(snap->xfer);
	assert_non_null(snap->xfer->staging);
	int fd = open(snap->xfer->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(fd >= 0);
	stepdump__snapshot__free_unpacked(snap, NULL);
	return fd;
}

static int staged_by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct staged staged_read(int dirfd)
{
	struct staged st = { .nr = 0 };
	DIR *d = fdopendir(dup(dirfd));

	MUST(d);
	rewinddir(d);
	for (struct dirent *de; (de = readdir(d));) {
		if (strncmp(de->d_name, "page", 4))
			continue;
		assert_true(st.nr < 16);
		snprintf(st.file[st.nr].name, sizeof(st.file[0].name), "%s", de->d_name);
		st.file[st.nr++].f = slurp(dirfd, de->d_name);
	}
	closedir(d);
	qsort(st.file, st.nr, sizeof(st.file[0]), staged_by_name);
	return st;
}

struct staged staged_now(void)
{
	int fd = staging_fd();
	struct staged st = staged_read(fd);

	close(fd);
	return st;
}

void staged_free(struct staged *st)
{
	for (size_t i = 0; i < st->nr; i++)
		free(st->file[i].f.b);
	st->nr = 0;
}

void staged_equal(const struct staged *a, struct staged b)
{
	assert_int_equal(a->nr, b.nr);
	for (size_t i = 0; i < a->nr; i++) {
		assert_string_equal(a->file[i].name, b.file[i].name);
		if (a->file[i].f.nr != b.file[i].f.nr)
			print_error("%s: %zu and %zu bytes\n", a->file[i].name, a->file[i].f.nr,
				    b.file[i].f.nr);
		assert_int_equal(a->file[i].f.nr, b.file[i].f.nr);
		for (size_t k = 0; k < a->file[i].f.nr; k++)
			if (a->file[i].f.b[k] != b.file[i].f.b[k])
				fail_msg("%s: byte 0x%zx is %02x and %02x", a->file[i].name, k,
					 a->file[i].f.b[k], b.file[i].f.b[k]);
	}
	staged_free(&b);
}

/* ---- against the child's own memory ----------------------------------------------- */

/* The entry that holds the address, or NULL; *off_ret: the number of its page in the pages file. */
static const struct pm_entry *entry_of(const struct pm *pm, uint64_t addr, uint64_t *off_ret)
{
	uint64_t stored = 0;

	for (size_t i = 0; i < pm->nr; i++) {
		if (addr >= pm->e[i].vaddr && addr < pm->e[i].vaddr + pm->e[i].pages * PAGE) {
			*off_ret = stored + (addr - pm->e[i].vaddr) / PAGE;
			return &pm->e[i];
		}
		if (pm->e[i].flags & 4)
			stored += pm->e[i].pages;
	}
	return NULL;
}

static void has_pages(const struct pm *pm, const struct bytes *pages, int mem_fd, char *at,
		      size_t nr, size_t every)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t addr = (uint64_t)at + i * PAGE, off = 0;
		const struct pm_entry *e = entry_of(pm, addr, &off);
		uint8_t now[PAGE];

		if (i % every) {
			assert_null(e);
			continue;
		}
		assert_non_null(e);
		assert_true(e->flags & 4);
		MUST(pread(mem_fd, now, PAGE, (off_t)addr) == (ssize_t)PAGE);
		assert_true((off + 1) * PAGE <= pages->nr);
		assert_memory_equal(now, pages->b + off * PAGE, PAGE);
	}
}

void images_hold_what_the_child_has(const char *dir)
{
	char name[64];
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	MUST(fd >= 0);
	snprintf(name, sizeof(name), "pagemap-%d.img", child);
	struct pm pm = pm_read(fd, name);

	snprintf(name, sizeof(name), "pages-%u.img", pm.pages_id);
	struct bytes pages = slurp(fd, name);

	snprintf(name, sizeof(name), "/proc/%d/mem", child);
	int mem_fd = open(name, O_RDONLY);

	MUST(mem_fd >= 0);
	assert_int_equal(pages.nr, pm.stored * PAGE);
	has_pages(&pm, &pages, mem_fd, its.dense, child_has.dense, 1);
	has_pages(&pm, &pages, mem_fd, its.sparse, child_has.sparse, 2);
	has_pages(&pm, &pages, mem_fd, its.locked, LOCKED_PAGES, 1);
	has_pages(&pm, &pages, mem_fd, its.filed, child_has.filed, 1);
	uint64_t off;

	for (unsigned i = 0; i < ZERO_PAGES && !geteuid(); i++)
		assert_null(entry_of(&pm, (uint64_t)its.zero + i * PAGE, &off));
	free(pm.e);
	free(pages.b);
	close(mem_fd);
	close(fd);
}

struct bytes maps_of_child(void)
{
	char path[64];
	struct bytes all = { malloc(1 << 20), 0 };

	snprintf(path, sizeof(path), "/proc/%d/maps", child);
	int fd = open(path, O_RDONLY);

	MUST(fd >= 0 && all.b);
	for (ssize_t n; (n = read(fd, all.b + all.nr, (1 << 20) - all.nr)) > 0;)
		all.nr += (size_t)n;
	close(fd);
	return all;
}
