/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the keeper does when stepdump, the keeper or the target is killed, and what it refuses. */
#include <grp.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "engine/target/parasite_rpc.h"
#include "tests/lib/live_target.h"

#define KILL_ROUNDS 60

static void still_works(struct target *t)
{
	uint64_t ticks = t->sh->ticks;

	wait_until(t->sh->ticks > ticks + 3);
	assert_int_equal(t->sh->bad, 0);
}

static bool untouched(pid_t pid)
{
	return status_field(pid, "TracerPid:") == 0 && !maps_mention(pid, "CRIUMFD");
}

static bool exists(pid_t pid)
{
	return !kill(pid, 0) && state_of(pid) != 'Z';
}

/* ---- kill -9 of stepdump ---------------------------------------------------- */

enum stage { STARTED, SEIZED, INFECTED, CHANGED, CURED, RELEASED, NR_STAGES };

struct client {
	pid_t pid, keeper;
	int says;
};

static uint8_t *closed_page;

static void run_with_closed_page(struct shared *sh)
{
	closed_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sh->address = (uintptr_t)closed_page;
	run_ticks(sh);
}

/* A process that goes as far as `stage`, says so, and waits; NR_STAGES: loops forever. */
static struct client client_at(const struct target *t, enum stage stage, const char *litter)
{
	struct client c;
	int p[2];

	assert_int_equal(pipe(p), 0);
	fflush(stdout);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid) {
		struct keeper *k;
		struct keeper_task task;
		struct keeper_parasite par;
		struct parasite_vma vma = { t->sh->address, 4096, PROT_NONE, 0 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(p[0]);
		if (keeper_start(keeper_main, &k))
			_exit(1);
		pid_t kp = keeper_pid(k);
		if (write(p[1], &kp, sizeof(kp)) < 0 || keeper_litter(k, litter, true))
			_exit(1);
		do {
			if (stage >= SEIZED && keeper_seize(k, t->pid, &task))
				_exit(2);
			if (stage >= INFECTED && keeper_infect(k, t->pid, 4, &par))
				_exit(3);
			if (stage >= CHANGED)
				change_protection(&par, &vma, 1, PROT_READ);
			if (stage >= CURED && keeper_cure(k, t->pid))
				_exit(4);
			if (stage >= RELEASED && keeper_release(k, t->pid))
				_exit(5);
			if (stage == NR_STAGES) {
				keeper_task_deinit(&task);
				close(par.sock);
			}
			if (stage != NR_STAGES && write(p[1], "x", 1) < 0)
				_exit(6);
		} while (stage == NR_STAGES);
		for (;;)
			pause();
	}
	close(p[1]);
	c.says = p[0];
	assert_int_equal(read(c.says, &c.keeper, sizeof(c.keeper)), sizeof(c.keeper));
	return c;
}

static void kill_client(struct client *c)
{
	int status;

	kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFSIGNALED(status));
	close(c->says);
}

TEST(stepdump_is_killed)
{
	struct target t = target_start(run_with_closed_page);

	for (enum stage s = STARTED; s < NR_STAGES; s++) {
		char dir[] = "/tmp/keeper-litter-XXXXXX", file[64], byte;

		assert_non_null(mkdtemp(dir));
		snprintf(file, sizeof(file), "%s/pages-1.img", dir);
		close(open(file, O_CREAT | O_WRONLY, 0600));
		struct client c = client_at(&t, s, dir);
		assert_int_equal(read(c.says, &byte, 1), 1);
		if (s == INFECTED)
			assert_true(maps_mention(t.pid, "CRIUMFD"));
		if (s == CHANGED)
			assert_true(map_has(t.pid, t.sh->address, "r--p"));
		kill_client(&c);
		wait_until(untouched(t.pid) && !exists(c.keeper));
		assert_true(map_has(t.pid, t.sh->address, "---p"));
		assert_int_equal(access(dir, F_OK), -1);
		still_works(&t);
	}
	target_end(&t);
}

TEST(stepdump_is_killed_any_time)
{
	struct target t = target_start(run_with_closed_page);

	for (unsigned i = 0; i < rounds(KILL_ROUNDS); i++) {
		struct client c = client_at(&t, NR_STAGES, "/nonexistent");
		struct timespec pause_for = { 0, (long)rnd(20000) * 1000 };

		nanosleep(&pause_for, NULL);
		kill_client(&c);
		wait_until(!exists(c.keeper));
		assert_true(untouched(t.pid));
		assert_true(map_has(t.pid, t.sh->address, "---p"));
		still_works(&t);
	}
	target_end(&t);
}

/* A descriptor that is opened in the target is ours alone, whenever we die. */
static pid_t fd_taker(const struct target *t)
{
	fflush(stdout);
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	const uint64_t args[6] = { O_CLOEXEC | O_NONBLOCK };
	struct keeper_task task;
	struct keeper *k;
	int64_t ret;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (keeper_start(keeper_main, &k) || keeper_seize(k, t->pid, &task))
		_exit(1);
	while (!keeper_take_fd(k, t->pid, SYS_userfaultfd, args, &ret, &fd) && fd >= 0)
		close(fd);
	_exit(1);
}

TEST(stepdump_is_killed_while_it_takes_a_descriptor)
{
	struct target t = target_start(run_ticks);
	size_t before = count_fds(t.pid);

	for (unsigned i = 0; i < rounds(KILL_ROUNDS); i++) {
		struct timespec pause_for = { 0, (long)rnd(8000) * 1000 };
		pid_t taker = fd_taker(&t);

		wait_until(status_field(t.pid, "TracerPid:") != 0);
		nanosleep(&pause_for, NULL);
		kill(taker, SIGKILL);
		int status;
		assert_int_equal(waitpid(taker, &status, 0), taker);
		assert_true(WIFSIGNALED(status));
		wait_until(status_field(t.pid, "TracerPid:") == 0);
		assert_int_equal(count_fds(t.pid), before);
		still_works(&t);
	}
	target_end(&t);
}

/* ---- kill -9 of the keeper ---------------------------------------------------- */

TEST(keeper_is_killed)
{
	struct target t = target_start(run_with_closed_page);
	struct keeper *k, *k2;
	struct keeper_task task;
	struct keeper_parasite p;
	struct parasite_vma vma = { t.sh->address, 4096, PROT_NONE, 0 };
	char *report;

	ok(keeper_start(keeper_main, &k));
	ok(keeper_seize(k, t.pid, &task));
	ok(keeper_infect(k, t.pid, 4, &p));
	change_protection(&p, &vma, 1, PROT_READ);
	kill(keeper_pid(k), SIGKILL);
	wait_until(state_of(keeper_pid(k)) == 'Z' && status_field(t.pid, "TracerPid:") == 0);
	fails(keeper_cure(k, t.pid), ERR_HARM, "rescue");
	fails(keeper_release(k, t.pid), ERR_HARM, "rescue");
	assert_false(keeper_task_gone(k, t.pid));
	fails(keeper_stop(k), ERR_CHECK, "gone");
	close(p.sock);
	keeper_task_deinit(&task);
	/* The parasite put protection and registers back, and unmapped itself. */
	uint64_t ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks + 3);
	assert_true(map_has(t.pid, t.sh->address, "---p"));
	assert_false(maps_mention(t.pid, "CRIUMFD"));

	ok(keeper_start(keeper_main, &k2));
	ok(keeper_rescue(k2, t.pid, false, &report));
	assert_non_null(strstr(report, "journal"));
	free(report);
	ok(keeper_rescue(k2, t.pid, true, &report));
	assert_non_null(strstr(report, "vDSO"));
	free(report);
	assert_true(untouched(t.pid));
	ok(keeper_rescue(k2, t.pid, true, &report));
	assert_string_equal(report, "");
	free(report);
	ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks + 3);
	ok(keeper_stop(k2));
	target_end(&t);
}

/* ---- the target is killed --------------------------------------------------- */

static void *idle(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void run_threaded(struct shared *sh)
{
	pthread_t th;

	for (int i = 0; i < 3; i++)
		pthread_create(&th, NULL, idle, NULL);
	run_ticks(sh);
}

TEST(target_is_killed)
{
	for (int infected = 0; infected < 3; infected++) {
		struct target t = target_start(run_threaded);
		struct keeper_task task;
		struct keeper_parasite p = { .sock = -1 };
		struct pollfd pfd = { .fd = keeper_event_fd(keeper), .events = POLLIN };
		int status;

		ok(keeper_seize(keeper, t.pid, &task));
		assert_int_equal(task.nr_threads, 4);
		if (infected)
			ok(keeper_infect(keeper, t.pid, 4, &p));
		assert_false(keeper_task_gone(keeper, t.pid));
		assert_int_equal(poll(&pfd, 1, 0), 0);
		kill(t.pid, SIGKILL);
		assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
		assert_true(keeper_task_gone(keeper, t.pid));
		assert_int_equal(poll(&pfd, 1, 0), 0);
		/* Its parent reaps it while we still hold it. */
		assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		if (infected == 2)
			fails(keeper_cure(keeper, t.pid), ERR_TARGET, "died");
		fails(keeper_infect(keeper, t.pid, 4, &p), ERR_TARGET, "died");
		ok(keeper_release(keeper, t.pid));
		fails(keeper_release(keeper, t.pid), ERR_STATE, "not attached");
		if (p.sock >= 0)
			close(p.sock);
		keeper_task_deinit(&task);
		munmap(t.sh, 4096);
	}
}

/* ---- refusals ------------------------------------------------------------------ */

static void *outlive(void *arg)
{
	the_shared->ready = 1;
	for (;;)
		pause();
	return NULL;
}

static void run_leader_exits(struct shared *sh)
{
	pthread_t th;

	pthread_create(&th, NULL, outlive, NULL);
	pthread_exit(NULL);
}

static void run_trap_pending(struct shared *sh)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTRAP);
	run_ticks(sh);
}

static void run_full_table(struct shared *sh)
{
	struct rlimit r = { 32, 32 };

	setrlimit(RLIMIT_NOFILE, &r);
	while (dup(0) >= 0)
		;
	close(31);
	close(30);
	close(29);
	run_ticks(sh);
}

static void run_small_space(struct shared *sh)
{
	char buf[8192];
	struct rlimit r;

	read_text("/proc/self/statm", buf, sizeof(buf));
	r.rlim_cur = r.rlim_max = strtoul(buf, NULL, 10) * 4096 + 4096;
	setrlimit(RLIMIT_AS, &r);
	run_ticks(sh);
}

/* Changing the uid resets both settings of start(). */
static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		_exit(1);
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void run_mlocked(struct shared *sh)
{
	struct rlimit r;
	char buf[8192];

	become_nobody();
	mlockall(MCL_CURRENT | MCL_FUTURE);
	read_text("/proc/self/status", buf, sizeof(buf));
	char *at = strstr(buf, "VmLck:");
	r.rlim_cur = r.rlim_max = at ? strtoul(at + 6, NULL, 10) * 1024 : 0;
	sh->bad = !r.rlim_cur; /* over the limit, or a sanitizer that forbids it */
	setrlimit(RLIMIT_MEMLOCK, &r);
	sh->ready = 1;
	for (;;)
		sh->ticks++;
}

TEST(refusals)
{
	struct keeper_task task;
	struct keeper_parasite p;
	pid_t pid;
	int status;

	fails(keeper_seize(keeper, getpid(), &task), ERR_TARGET, "stepdump itself");
	fails(keeper_seize(keeper, keeper_pid(keeper), &task), ERR_TARGET, "stepdump itself");
	fails(keeper_seize(keeper, 0x3ffffff, &task), ERR_TARGET, "ESRCH");
	fails(keeper_seize(keeper, -5, &task), ERR_USAGE, "not a process id");
	if (state_of(2) && status_field(2, "Kthread:") == 1)
		fails(keeper_seize(keeper, 2, &task), ERR_TARGET, "kernel thread");

	pid = fork();
	if (!pid)
		_exit(0);
	wait_until(state_of(pid) == 'Z');
	fails(keeper_seize(keeper, pid, &task), ERR_TARGET, "zombie");
	waitpid(pid, &status, 0);
	fails(keeper_seize(keeper, pid, &task), ERR_TARGET, "ESRCH");

	struct target t = target_start(run_leader_exits);
	wait_until(state_of(t.pid) == 'Z');
	fails(keeper_seize(keeper, t.pid, &task), ERR_TARGET, "main thread has exited");
	target_end(&t);

	t = target_start(run_trap_pending);
	fails(keeper_seize(keeper, t.pid, &task), ERR_TARGET, "SIGTRAP");
	still_works(&t);
	target_end(&t);

	t = target_start(run_ticks);
	assert_int_equal(ptrace(PTRACE_SEIZE, t.pid, NULL, NULL), 0);
	fails(keeper_seize(keeper, t.pid, &task), ERR_TARGET, "traced by keeper_harm");
	still_works(&t);
	target_end(&t);

	t = target_start(run_full_table);
	ok(keeper_seize(keeper, t.pid, &task));
	fails(keeper_infect(keeper, t.pid, 4, &p), ERR_TARGET, "--nofile=36");
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	still_works(&t);
	target_end(&t);

	t = target_start(run_small_space);
	ok(keeper_seize(keeper, t.pid, &task));
	fails(keeper_infect(keeper, t.pid, 4, &p), ERR_TARGET, "address space");
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	still_works(&t);
	target_end(&t);
}

/* The limit that /proc does not show: the infection fails half-way, and is undone. */
TEST(undone_halfway)
{
	struct keeper_task task;
	struct keeper_parasite p;

	if (geteuid())
		skip_because("needs root to make a target without CAP_IPC_LOCK");
	struct target t = target_start(run_mlocked);
	if (t.sh->bad) {
		target_end(&t);
		skip_because("mlockall is not possible here");
	}
	size_t fds = count_fds(t.pid);
	ok(keeper_seize(keeper, t.pid, &task));
	fails(keeper_infect(keeper, t.pid, 4, &p), ERR_TARGET, "mlockall");
	assert_int_equal(count_fds(t.pid), fds);
	assert_false(maps_mention(t.pid, "CRIUMFD"));
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	uint64_t ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks + 3);
	target_end(&t);
}

/* Runs `fn` with a keeper of its own as an ordinary user. */
static void as_nobody(void (*fn)(struct keeper *k, pid_t pid), pid_t pid)
{
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		struct keeper *k;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			_exit(77);
		prctl(PR_SET_DUMPABLE, 1);
		unsetenv("XDG_RUNTIME_DIR");
		ok(keeper_start(keeper_main, &k));
		fn(k, pid);
		ok(keeper_stop(k));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void run_nobody(struct shared *sh)
{
	become_nobody();
	run_ticks(sh);
}

static void run_nobody_closed(struct shared *sh)
{
	become_nobody();
	prctl(PR_SET_DUMPABLE, 0);
	run_ticks(sh);
}

static void refused_as_foreign(struct keeper *k, pid_t pid)
{
	struct keeper_task task;

	fails(keeper_seize(k, pid, &task), ERR_TARGET, "belongs to uid 0");
}

static void refused_as_closed(struct keeper *k, pid_t pid)
{
	struct keeper_task task;

	fails(keeper_seize(k, pid, &task), ERR_TARGET, "not dumpable");
}

static void whole_visit(struct keeper *k, pid_t pid)
{
	struct keeper_task task;
	struct keeper_parasite p;

	ok(keeper_seize(k, pid, &task));
	ok(keeper_infect(k, pid, 4, &p));
	ping(&p);
	ok(keeper_cure(k, pid));
	ok(keeper_release(k, pid));
	keeper_task_deinit(&task);
	close(p.sock);
}

TEST(other_users)
{
	if (geteuid())
		skip_because("needs root to become another user");
	struct target t = target_start(run_ticks);
	as_nobody(refused_as_foreign, t.pid);
	still_works(&t);
	target_end(&t);
	t = target_start(run_nobody_closed);
	as_nobody(refused_as_closed, t.pid);
	still_works(&t);
	target_end(&t);
	t = target_start(run_nobody);
	as_nobody(whole_visit, t.pid);
	assert_true(untouched(t.pid));
	still_works(&t);
	target_end(&t);
}

/* ---- tasks that do not stop --------------------------------------------------- */

static void run_vfork(struct shared *sh)
{
	sh->ready = 1;
	pid_t pid = vfork();
	if (!pid) {
		while (!the_shared->go)
			syscall(SYS_sched_yield);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	run_ticks(sh);
}

TEST(does_not_stop)
{
	struct target t = target_start(run_vfork);
	struct keeper_task task;
	uint64_t begin = now_ms();

	wait_until(state_of(t.pid) == 'D');
	fails(keeper_seize(keeper, t.pid, &task), ERR_TARGET, "state D");
	assert_in_range(now_ms() - begin, 4000, 9000);
	t.sh->go = 1; /* it stops only now, and must not stay stopped */
	still_works(&t);
	wait_until(untouched(t.pid));
	ok(keeper_seize(keeper, t.pid, &task));
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	target_end(&t);
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Tries a freezer; *tried is set if the machine has it. */
static void freezer(struct keeper *k, const char *dir, const char *file, const char *on,
		    const char *off, bool *tried)
{
	struct target t = target_start(run_ticks);
	struct keeper_task task;
	char procs[256], knob[256], pid[32];

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	snprintf(knob, sizeof(knob), "%s/%s", dir, file);
	snprintf(pid, sizeof(pid), "%d", t.pid);
	if ((!mkdir(dir, 0755) || errno == EEXIST) && put(procs, pid) && put(knob, on)) {
		*tried = true;
		fails(keeper_seize(k, t.pid, &task), ERR_TARGET, "frozen");
		assert_true(put(knob, off));
		still_works(&t);
		ok(keeper_seize(k, t.pid, &task));
		ok(keeper_release(k, t.pid));
		keeper_task_deinit(&task);
	}
	target_end(&t);
	rmdir(dir);
}

TEST(frozen)
{
	bool tried = false;

	freezer(keeper, "/sys/fs/cgroup/freezer/stepdump-test", "freezer.state", "FROZEN", "THAWED",
		&tried);
	freezer(keeper, "/sys/fs/cgroup/unified/stepdump-test", "cgroup.freeze", "1", "0", &tried);
	freezer(keeper, "/sys/fs/cgroup/stepdump-test", "cgroup.freeze", "1", "0", &tried);
	if (!tried)
		skip_because("no freezer that we may use");
}

/* ---- out of memory ---------------------------------------------------------------- */

#define WITNESS_LEN (1u << 20)
#define MAX_LITTER 20000

static void run_with_memory(struct shared *sh)
{
	uint8_t *p =
		mmap(NULL, WITNESS_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < WITNESS_LEN; i++)
		p[i] = (uint8_t)(i * 7 + i / 4096);
	sh->address = (uintptr_t)p;
	run_ticks(sh);
}

static void read_witness(const struct target *t, uint8_t *to)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, to, WITNESS_LEN, (off_t)t->sh->address), WITNESS_LEN);
	close(fd);
}

/* The keeper's memory is limited to less than it has: its next allocation fails.  It holds an
 * infected target, which has to come out as it went in, and the client is told. */
TEST(keeper_runs_out_of_memory)
{
	struct target t = target_start(run_with_memory);
	struct rlimit small = { 1 << 20, 1 << 20 };
	static uint8_t before[WITNESS_LEN], after[WITNESS_LEN];
	char maps[2][65536], path[64], litter[4000];
	struct keeper_parasite p;
	struct keeper_task task;
	struct keeper *k;
	struct err *e = NULL;

	snprintf(path, sizeof(path), "/proc/%d/maps", t.pid);
	read_witness(&t, before);
	assert_true(read_text(path, maps[0], sizeof(maps[0])));
	ok(keeper_start(keeper_main, &k));
	ok(keeper_seize(k, t.pid, &task));
	ok(keeper_infect(k, t.pid, 4, &p));
	ok(pc_call(p.sock, PC_PING, NULL));
	assert_int_equal(prlimit(keeper_pid(k), RLIMIT_AS, &small, NULL), 0);
	memset(litter, 'x', sizeof(litter));
	litter[0] = '/';
	litter[sizeof(litter) - 1] = 0;
	for (int i = 0; i < MAX_LITTER && !e; i++)
		e = keeper_litter(k, litter, true);
	fails(e, ERR_NOMEM, "put back all that it held");
	fails(keeper_cure(k, t.pid), ERR_NOMEM, "ran out of memory");
	fails(keeper_stop(k), ERR_NOMEM, "ran out of memory");
	still_works(&t);
	assert_true(untouched(t.pid));
	read_witness(&t, after);
	assert_memory_equal(before, after, WITNESS_LEN);
	assert_true(read_text(path, maps[1], sizeof(maps[1])));
	assert_string_equal(maps[0], maps[1]);
	close(p.sock);
	keeper_task_deinit(&task);
	target_end(&t);
}

GROUP(keeper_up, keeper_down);
