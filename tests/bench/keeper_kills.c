/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper_kills [N]: what becomes of targets whose keeper is killed at a random moment.
 *
 * A client seizes, infects, cures and releases a target without pause, so that most moments are
 * those of borrowed registers.  After up to 20 ms the keeper is killed with SIGKILL, or the client, or
 * one and then the other.  Each target is a new process that counts in restarted system calls.
 * Status 1 if any was harmed.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "engine/keeper/keeper_main.h"
#include "engine/target/keeper.h"

#define LATEST_US 20000
#define PATIENCE_MS 5000

enum way { KEEPER, CLIENT, KEEPER_CLIENT, CLIENT_KEEPER, NR_WAYS };

static const char *const way_names[] = { "keeper", "stepdump", "keeper, then stepdump",
					 "stepdump, then keeper" };

/* Memory of the target and us. */
static struct shared {
	volatile uint64_t ticks;
	volatile int bad;
	volatile pid_t keeper;
} * shared;

static struct tally {
	unsigned lost, stuck, damaged, residue, incurable;
} tally[NR_WAYS];

static pid_t start(void (*run)(pid_t arg), pid_t arg)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(arg);
		_exit(1);
	}
	return pid;
}

static void run_target(pid_t arg)
{
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	for (;;) {
		shared->ticks++;
		if (poll(NULL, 0, 2))
			shared->bad = 1;
	}
}

static void run_client(pid_t target)
{
	struct keeper_parasite p = { .sock = -1 };
	struct keeper_task task;
	struct keeper *k;

	if (keeper_start(keeper_main, &k))
		_exit(1);
	shared->keeper = keeper_pid(k);
	while (!keeper_seize(k, target, &task)) {
		if (!keeper_infect(k, target, 4, &p)) {
			/* Now and then the parasite waits. */
			if (random() % 4 == 0)
				usleep((unsigned)(random() % 500));
			close(p.sock);
			if (keeper_cure(k, target))
				break;
		}
		keeper_task_deinit(&task);
		if (keeper_release(k, target))
			break;
	}
	pause(); /* the keeper is gone; so are we, soon */
}

static bool mentions(pid_t pid, const char *file, const char *text)
{
	char path[64], line[512];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	FILE *f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return found;
}

/* Does `done` come true within our patience? */
static bool comes(bool (*done)(pid_t pid), pid_t pid)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (done(pid))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static bool is_free(pid_t pid)
{
	return mentions(pid, "status", "TracerPid:\t0\n");
}

static bool has_ended(pid_t pid)
{
	siginfo_t si = { 0 };

	return !waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) && si.si_pid == pid;
}

static uint64_t ticks_before;

static bool ticks_or_ended(pid_t pid)
{
	return shared->ticks > ticks_before + 3 || has_ended(pid);
}

static bool ticks_at_all(pid_t pid)
{
	return shared->ticks != 0;
}

static bool has_started(pid_t pid)
{
	return shared->keeper && shared->ticks;
}

static unsigned fds_before;

static unsigned nr_fds(pid_t pid)
{
	unsigned nr = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	while (d && readdir(d))
		nr++;
	if (d)
		closedir(d);
	return nr;
}

static bool rescued(pid_t target)
{
	struct keeper *k;
	char *report = NULL;
	struct err *e = keeper_start(keeper_main, &k);

	if (!e) {
		e = keeper_rescue(k, target, true, &report);
		free(report);
		err_free(keeper_stop(k));
	}
	bool good = !e && !mentions(target, "maps", "CRIUMFD");
	err_free(e);
	return good;
}

static void judge(pid_t target, struct tally *t)
{
	comes(is_free, target);
	ticks_before = shared->ticks;
	bool moved = comes(ticks_or_ended, target);

	if (has_ended(target))
		t->lost++;
	else if (!moved)
		t->stuck++;
	else if (mentions(target, "maps", "CRIUMFD") || nr_fds(target) != fds_before) {
		t->residue++;
		t->incurable += !rescued(target);
	}
	t->damaged += shared->bad;
}

static void kill_once(enum way way)
{
	memset(shared, 0, sizeof(*shared));
	pid_t target = start(run_target, 0);

	comes(ticks_at_all, target);
	fds_before = nr_fds(target);

	pid_t client = start(run_client, target);

	if (target < 0 || client < 0 || !comes(has_started, client)) {
		fprintf(stderr, "cannot start: %s\n", strerror(errno));
		exit(1);
	}
	const bool keeper_first = way == KEEPER || way == KEEPER_CLIENT;
	const struct timespec moment = { 0, random() % LATEST_US * 1000 };
	const struct timespec later = { 0, random() % 1000 * 1000 };

	nanosleep(&moment, NULL);
	kill(keeper_first ? shared->keeper : client, SIGKILL);
	if (way == KEEPER_CLIENT || way == CLIENT_KEEPER) {
		nanosleep(&later, NULL);
		kill(keeper_first ? client : shared->keeper, SIGKILL);
	}
	judge(target, &tally[way]);
	kill(client, SIGKILL);
	kill(target, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(int argc, char **argv)
{
	unsigned bad = 0, nr = argc > 1 ? (unsigned)atoi(argv[1]) : 100;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	srandom((unsigned)time(NULL));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	printf("%-24s %6s %6s %6s %8s %8s %10s\n", "killed", "times", "lost", "stuck", "damaged",
	       "residue", "incurable");
	for (enum way way = 0; way < NR_WAYS; way++) {
		const struct tally *t = &tally[way];

		for (unsigned i = 0; i < nr; i++)
			kill_once(way);
		printf("%-24s %6u %6u %6u %8u %8u %10u\n", way_names[way], nr, t->lost, t->stuck,
		       t->damaged, t->residue, t->incurable);
		fflush(stdout);
		bad += t->lost + t->stuck + t->damaged + t->residue + t->incurable;
	}
	return bad != 0;
}
