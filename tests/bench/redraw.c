/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How long a full redraw of a view takes, from snapshot to the last byte written to the terminal,
 * where there is a lot to look at: 60,000 VMAs and 100 GiB of address space (a live target), and
 * 200,000 iovs (a saved snapshot).  Fails if the median of a view is above 16 ms at 250x80.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/cmds.h"
#include "shell/view.h"
#include "views/theme.h"

#define NR_VMAS 60000
#define RESERVED (100ul << 30)
#define COMB (256ul << 20) /* every second page is there: as many runs as pages */
#define DENSE (512ul << 20)
#define NR_IOVS 200000
#define LIMIT_US 16000
#define ROUNDS 41
#define ROWS 80
#define COLS 250

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static _Noreturn void die(const char *what, struct err *e)
{
	fprintf(stderr, "redraw: %s%s%s\n", what, e ? ": " : "", e ? e->msg : "");
	exit(1);
}

/* One-page mappings that cannot merge, every third one with a page in it; and a reservation of
 * which a page in each 64 MiB is there. */
static void victim(int ready)
{
	long page = 4096;
	char *area =
		mmap(NULL, NR_VMAS * 2ul * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *big = mmap(NULL, RESERVED, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	char *comb = mmap(NULL, COMB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *dense = mmap(NULL, DENSE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Something of another kind between, so that the areas stay VMAs of their own. */
	if (area == MAP_FAILED || big == MAP_FAILED || comb == MAP_FAILED || dense == MAP_FAILED)
		_exit(1);
	comb = mmap(comb, COMB, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(comb, COMB, MADV_NOHUGEPAGE);
	for (uint64_t at = 0; at < COMB; at += 2 * 4096)
		comb[at] = 'x';
	/* Each page that differs from its neighbours makes two VMAs. */
	for (long i = 0; i < NR_VMAS / 2 - 100; i++) {
		char *p = area + i * 2 * page;

		if (mprotect(p, (size_t)page, PROT_READ | PROT_WRITE))
			_exit(1);
		if (i % 3 == 0)
			*p = 'x';
	}
	for (uint64_t at = 0; at < RESERVED; at += 64ul << 20)
		big[at] = 'x';
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static _Atomic uint64_t swallowed;

static void *swallow(void *fd)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(*(int *)fd, buf, sizeof(buf))) > 0)
		swallowed += (uint64_t)n;
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Keys that make everything on screen new each time. */
static bool measure(struct view_session *v, const char *what, enum view_id view, const char *keys)
{
	uint64_t took[ROUNDS], written = swallowed;
	struct err *e;

	v->ui.view = view;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_us();
		struct grid g;

		if (v->now)
			ui_key(&v->ui, keys[i % strlen(keys)], v->now);
		e = view_look(v);
		if (e)
			die(what, e);
		g = view_draw(v);
		terminal_redraw(); /* nothing is spared because it was there before */
		terminal_draw(&g, -1);
		grid_deinit(&g);
		took[i] = clock_us() - start;
	}
	qsort(took, ROUNDS, sizeof(*took), by_size);
	printf("%-34s median %6.2f ms   worst %6.2f ms   %5lu bytes   %s\n", what,
	       (double)took[ROUNDS / 2] / 1e3, (double)took[ROUNDS - 1] / 1e3,
	       (swallowed - written) / ROUNDS, took[ROUNDS / 2] <= LIMIT_US ? "ok" : "TOO SLOW");
	return took[ROUNDS / 2] <= LIMIT_US;
}

/* A page-pipe as a pre-dump of 200,000 lonely pages would make it. */
static Stepdump__Snapshot *many_iovs(void)
{
	Stepdump__Snapshot *s = calloc(1, sizeof(*s));
	Stepdump__PagePipe *pp = calloc(1, sizeof(*pp));
	enum { NR_PPBS = 50, PER_PPB = NR_IOVS / NR_PPBS };

	stepdump__snapshot__init(s);
	stepdump__page_pipe__init(pp);
	s->page_pipe = pp;
	pp->n_ppbs = NR_PPBS;
	pp->ppbs = calloc(NR_PPBS, sizeof(*pp->ppbs));
	pp->has_nr_iovs = true;
	pp->nr_iovs = NR_IOVS;
	for (unsigned i = 0; i < NR_PPBS; i++) {
		Stepdump__Ppb *b = pp->ppbs[i] = calloc(1, sizeof(*b));

		stepdump__ppb__init(b);
		b->index = i;
		b->pages_in = b->pipe_size = PER_PPB;
		b->has_nr_segs = true;
		b->nr_segs = PER_PPB;
		b->n_iovs = PER_PPB;
		b->iovs = calloc(PER_PPB, sizeof(*b->iovs));
		for (unsigned k = 0; k < PER_PPB; k++) {
			b->iovs[k] = calloc(1, sizeof(**b->iovs));
			stepdump__iov__init(b->iovs[k]);
			b->iovs[k]->start = 0x7f0000000000 + (i * PER_PPB + k) * 8192ul;
			b->iovs[k]->nr_pages = 1;
		}
	}
	return s;
}

static bool search(struct view_session *v, const char *what, enum view_id view, const char *keys)
{
	uint64_t start = clock_us();

	v->ui.view = view;
	for (; *keys; keys++)
		if (ui_key(&v->ui, *keys == '\n' ? K_ENTER : *keys, v->now) == UI_FIND) {
			struct snap_request req = { .parts = ui_find_needs(&v->ui) };
			Stepdump__Snapshot *all;
			struct err *e = shell_snap(v->sh, &req, &all);

			if (e)
				die(what, e);
			ui_find(&v->ui, all);
			shell_snap_free(v->sh, all);
		}

	uint64_t took = clock_us() - start;

	printf("%-34s        %6.2f ms   %s\n", what, (double)took / 1e3,
	       took < 200000 ? "ok" : "TOO SLOW");
	return took < 200000;
}

/* Begins a dump anew and stops where the pipes are planned. */
static void dump_with(struct session *s, const char *pmc)
{
	struct run_request req = { .kind = RUN_UNTIL, .where = "drain" };
	Stepdump__Stop *stop = NULL;
	struct err *e = session_has_pipeline(s) ? session_restart(s) : NULL;

	if (!e)
		e = opt_parse(session_opts(s), opt_find("pmc"), pmc);
	if (!e)
		e = session_run(s, &req, &stop);
	if (stop)
		stepdump__stop__free_unpacked(stop, NULL);
	if (e)
		die("dump", e);
}

/* Where there are many pages in few VMAs: the last ones. */
static bool maps(struct view_session *v, const char *how)
{
	char what[64];
	bool ok;

	snprintf(what, sizeof(what), "map, dense and combed, by %s", how);
	v->ui.place.vma = v->now && v->now->target ? v->now->target->nr_vmas : 0;
	v->ui.place.zoom = 0;
	ok = measure(v, what, VIEW_MAP, "kjlk");
	snprintf(what, sizeof(what), "map, continuous, by %s", how);
	v->ui.map.continuous = true;
	ok &= measure(v, what, VIEW_MAP, "kjlk");
	v->ui.map.continuous = false;
	return ok;
}

int main(void)
{
	struct winsize size = { .ws_row = ROWS, .ws_col = COLS };
	struct terminal_opts opts = { .theme = theme_find("dark") };
	struct view_session v = { 0 };
	struct shell sh;
	pthread_t reader;
	int ready[2], master, slave;
	char why[200], name[64];
	bool ok = true;
	char c;
	pid_t pid;
	struct err *e = shell_init(&sh, cmd_table);

	if (e)
		die("start", e);
	if (pipe(ready) || (pid = fork()) < 0)
		die("cannot start the target", NULL);
	if (!pid)
		victim(ready[1]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("the target could not be made (vm.max_map_count?)", NULL);
	e = session_attach(sh.session, pid);
	if (e)
		die("attach", e);
	dump_with(sh.session, "auto");

	if (openpty(&master, &slave, name, NULL, &size))
		die("no pseudo-terminal", NULL);
	pthread_create(&reader, NULL, swallow, &master);
	opts.path = name;
	setenv("TERM", "xterm-256color", 1);
	if (!terminal_open(&opts, why, sizeof(why)))
		die(why, NULL);
	ui_init(&v.ui, ROWS, COLS, false);
	v.sh = &sh;
	ok &= measure(&v, "pipeline", VIEW_PIPELINE, "j");
	ok &= measure(&v, "pipes", VIEW_PIPES, "\njjjj");
	ok &= maps(&v, "PAGEMAP_SCAN");
	dump_with(sh.session, "pread");
	ok &= maps(&v, "pread");
	dump_with(sh.session, "auto");
	ok &= measure(&v, "map, rows", VIEW_MAP, "\6\6\6j");
	v.ui.place.vma = 30000;
	ok &= measure(&v, "map, rows, from the middle", VIEW_MAP, "jl\6k");
	ok &= search(&v, "map, search by address", VIEW_MAP, "G/stack\n");
	ok &= measure(&v, "map, at the 100 GiB", VIEW_MAP, "-l-l-l+");
	v.ui.map.continuous = true;
	ok &= measure(&v, "map, continuous", VIEW_MAP, "\6\6-\2l");
	v.ui.map.continuous = false;
	ok &= measure(&v, "parents", VIEW_PARENTS, "jl\6");
	ok &= measure(&v, "events", VIEW_EVENTS, "jk");

	sh.opened = many_iovs();
	ok &= measure(&v, "pipes, 200,000 iovs", VIEW_PIPES, "\n\6\6j\2");
	ok &= search(&v, "pipes, search by address", VIEW_PIPES, "/7f00bebc2000\n");
	view_free_snapshots(&v);
	terminal_close();
	ui_deinit(&v.ui);
	e = shell_deinit(&sh);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (e)
		die("end", e);
	printf("full redraw at %ux%u, from snapshot to terminal: %s (limit %d ms)\n", COLS, ROWS,
	       ok ? "fast enough" : "TOO SLOW", LIMIT_US / 1000);
	return !ok;
}
