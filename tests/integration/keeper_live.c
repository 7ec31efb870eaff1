/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The keeper against real processes.  Every target is a child of this program; it checks its own
 * state, and this program looks at it only through /proc.
 */
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "tests/lib/live_target.h"

/* ---- one whole visit ------------------------------------------------------ */

static void one_visit(struct keeper *k, pid_t pid, struct keeper_parasite *seen)
{
	struct keeper_task t;
	struct keeper_parasite p;

	ok(keeper_seize(k, pid, &t));
	ok(keeper_infect(k, pid, 16, &p));
	ping(&p);
	close(p.sock);
	ok(keeper_cure(k, pid));
	ok(keeper_release(k, pid));
	keeper_task_deinit(&t);
	if (seen)
		*seen = p;
}

/* ---- registers ------------------------------------------------------------- */

#ifdef __x86_64__
struct vectors {
	uint8_t ymm[16][32];
	uint64_t gpr[6];
	uint32_t mxcsr;
	uint16_t x87_cw;
} __attribute__((aligned(64)));

/* Fills the registers, spins until *stop, and stores what is in them then. */
__attribute__((target("avx"), noinline)) static void
spin_with(const struct vectors *in, struct vectors *out, volatile int *stop)
{
	__asm__ volatile(
		"ldmxcsr %[imx]\n fldcw %[icw]\n"
		"vmovdqa 0(%[in]),%%ymm0\n vmovdqa 32(%[in]),%%ymm1\n vmovdqa 64(%[in]),%%ymm2\n"
		"vmovdqa 96(%[in]),%%ymm3\n vmovdqa 224(%[in]),%%ymm7\n"
		"vmovdqa 480(%[in]),%%ymm15\n"
		"mov 512(%[in]),%%r8\n mov 520(%[in]),%%r9\n mov 528(%[in]),%%r12\n"
		"mov 536(%[in]),%%r13\n mov 544(%[in]),%%r14\n mov 552(%[in]),%%r15\n"
		"1: pause\n cmpl $0,(%[stop])\n je 1b\n"
		"vmovdqa %%ymm0,0(%[out])\n vmovdqa %%ymm1,32(%[out])\n vmovdqa %%ymm2,64(%[out])\n"
		"vmovdqa %%ymm3,96(%[out])\n vmovdqa %%ymm7,224(%[out])\n"
		"vmovdqa %%ymm15,480(%[out])\n"
		"mov %%r8,512(%[out])\n mov %%r9,520(%[out])\n mov %%r12,528(%[out])\n"
		"mov %%r13,536(%[out])\n mov %%r14,544(%[out])\n mov %%r15,552(%[out])\n"
		"stmxcsr %[omx]\n fnstcw %[ocw]\n"
		: [omx] "=m"(out->mxcsr), [ocw] "=m"(out->x87_cw)
		: [in] "r"(in), [out] "r"(out), [stop] "r"(stop), [imx] "m"(in->mxcsr),
		  [icw] "m"(in->x87_cw)
		: "r8", "r9", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm7",
		  "xmm15", "memory", "cc");
}

static void run_registers(struct shared *sh)
{
	static struct vectors in, out;

	for (size_t i = 0; i < sizeof(in.ymm); i++)
		((uint8_t *)in.ymm)[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < 6; i++)
		in.gpr[i] = 0x0123456789abcdefull * (i + 3);
	in.mxcsr = 0x5f80; /* round up */
	in.x87_cw = 0x077f;
	out = in;
	memset(out.ymm, 0, 128);
	memset(out.gpr, 0, sizeof(out.gpr));
	out.mxcsr = out.x87_cw = 0;
	sh->ready = 1;
	spin_with(&in, &out, &sh->stop);
	sh->bad = memcmp(in.ymm, out.ymm, 128) || memcmp(in.ymm[7], out.ymm[7], 32) ||
		  memcmp(in.ymm[15], out.ymm[15], 32) || memcmp(in.gpr, out.gpr, sizeof(in.gpr)) ||
		  in.mxcsr != out.mxcsr || in.x87_cw != out.x87_cw;
	sh->done = 1;
}
#define HAVE_VECTORS __builtin_cpu_supports("avx")
#else
static void run_registers(struct shared *sh)
{
}
#define HAVE_VECTORS false
#endif

TEST(registers_survive)
{
	if (!HAVE_VECTORS)
		skip_because("only with the AVX of x86-64");
	struct target t = target_start(run_registers);
	for (int i = 0; i < 20; i++)
		one_visit(keeper, t.pid, NULL);
	t.sh->stop = 1;
	wait_until(t.sh->done);
	assert_int_equal(t.sh->bad, 0);
	target_end(&t);
}

/* ---- what /proc shows ------------------------------------------------------ */

static void on_sig(int sig)
{
	the_shared->signals[sig]++;
}

static void run_signals(struct shared *sh)
{
	sigset_t set;

	signal(SIGTRAP, on_sig);
	signal(SIGUSR1, on_sig);
	signal(SIGUSR2, on_sig);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sh->ready = 1;
	while (!sh->stop) {
		sh->ticks++;
		poll(NULL, 0, 1);
	}
	raise(SIGTRAP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sh->done = 1;
}

static char *proc_view(pid_t pid)
{
	char cmd[512], *text = malloc(1 << 20);

	snprintf(cmd, sizeof(cmd),
		 "cat /proc/%d/maps; grep -E '^(Sig[PBIC]|Shd|Tracer|Threads|FDSize)' "
		 "/proc/%d/status; ls -l /proc/%d/fd | sed 's/^.*[0-9] \\([0-9]* -> \\)/\\1/'; "
		 "cat /proc/%d/fdinfo/*",
		 pid, pid, pid, pid);
	FILE *f = popen(cmd, "r");
	size_t n = fread(text, 1, (1 << 20) - 1, f);
	pclose(f);
	text[n] = 0;
	return text;
}

TEST(nothing_visible_stays)
{
	struct target t = target_start(run_signals);
	struct keeper_parasite p;
	char *before = proc_view(t.pid);

	assert_true(strstr(before, "SigCgt") && strstr(before, "vdso"));
	one_visit(keeper, t.pid, &p);
	char *after = proc_view(t.pid);
	assert_string_equal(before, after);
	assert_true(p.map_end > p.map_start && p.syscall_ip);

	/* A signal that comes while it is held is delivered once, afterwards. */
	struct keeper_task task;
	ok(keeper_seize(keeper, t.pid, &task));
	assert_int_equal(task.threads[0].sig_blocked & (1u << (SIGUSR1 - 1)), 1u << (SIGUSR1 - 1));
	ok(keeper_infect(keeper, t.pid, 0, &p));
	kill(t.pid, SIGUSR2);
	ping(&p);
	assert_int_equal(t.sh->signals[SIGUSR2], 0);
	ok(keeper_release(keeper, t.pid));
	close(p.sock);
	keeper_task_deinit(&task);
	wait_until(t.sh->signals[SIGUSR2] == 1);
	t.sh->stop = 1;
	wait_until(t.sh->done);
	assert_int_equal(t.sh->signals[SIGTRAP], 1);
	assert_int_equal(t.sh->signals[SIGUSR1], 1);
	assert_int_equal(t.sh->signals[SIGUSR2], 1);
	free(before);
	free(after);
	target_end(&t);
}

/* ---- interrupted calls ----------------------------------------------------- */

static int the_call;
#define CALL_MS 700

static int do_call(void)
{
	struct timespec ts = { 0, CALL_MS * 1000000l };
	struct timeval tv = { 0, CALL_MS * 1000 };
	int word = 0, ep;

	switch (the_call) {
	case 0:
		return nanosleep(&ts, NULL);
	case 1:
		return poll(NULL, 0, CALL_MS);
	case 2:
		return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0) == -1 &&
				       errno == ETIMEDOUT ?
			       0 :
			       -1;
	case 3:
		return select(0, NULL, NULL, NULL, &tv);
	case 4:
		return clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	case 5:
		return ppoll(NULL, 0, &ts, NULL);
	default:
		ep = epoll_create1(0);
		return epoll_wait(ep, &(struct epoll_event){ 0 }, 1, CALL_MS);
	}
}

static void run_call(struct shared *sh)
{
	sh->ready = 1;
	wait_until(sh->go);
	uint64_t begin = now_ms();
	sh->bad = do_call();
	sh->bad_errno = sh->bad ? errno : 0;
	sh->ticks = now_ms() - begin;
	sh->done = 1;
}

/* epoll_wait alone is documented to fail with EINTR after any stop (signal(7)): not tested here.
 * The others must neither fail nor end early nor start anew. */
TEST(calls_are_not_interrupted)
{
	for (the_call = 0; the_call < 6; the_call++) {
		struct target t = target_start(run_call);

		t.sh->go = 1;
		wait_until(state_of(t.pid) == 'S' && in_syscall_other_than(t.pid, -1));
		one_visit(keeper, t.pid, NULL);
		one_visit(keeper, t.pid, NULL);
		wait_until(t.sh->done);
		if (t.sh->bad)
			fail_msg("call %d: %d errno %d", the_call, t.sh->bad, t.sh->bad_errno);
		assert_in_range(t.sh->ticks, CALL_MS - 1, CALL_MS + 400);
		target_end(&t);
	}
}

/* ---- stopped tasks ---------------------------------------------------------- */

TEST(stopped_stays_stopped)
{
	struct target t = target_start(run_ticks);
	struct keeper_task task;
	struct keeper_parasite p;

	kill(t.pid, SIGSTOP);
	wait_until(state_of(t.pid) == 'T');
	for (int i = 0; i < 10; i++) {
		ok(keeper_seize(keeper, t.pid, &task));
		assert_true(task.was_stopped);
		keeper_task_deinit(&task);
		ok(keeper_infect(keeper, t.pid, 0, &p));
		ping(&p);
		ok(keeper_release(keeper, t.pid));
		close(p.sock);
		wait_until(state_of(t.pid) == 'T');
	}
	uint64_t ticks = t.sh->ticks;
	wait_ms(50);
	assert_int_equal(ticks, t.sh->ticks);
	kill(t.pid, SIGCONT);
	wait_until(t.sh->ticks > ticks);

	/* Stopped while we hold it: it stops when we let go. */
	ok(keeper_seize(keeper, t.pid, &task));
	assert_false(task.was_stopped);
	keeper_task_deinit(&task);
	ok(keeper_infect(keeper, t.pid, 0, &p));
	kill(t.pid, SIGSTOP);
	ping(&p);
	ok(keeper_release(keeper, t.pid));
	close(p.sock);
	wait_until(state_of(t.pid) == 'T');

	/* Continued while we hold it: it runs. */
	ok(keeper_seize(keeper, t.pid, &task));
	keeper_task_deinit(&task);
	ok(keeper_infect(keeper, t.pid, 0, &p));
	kill(t.pid, SIGCONT);
	ping(&p);
	ok(keeper_release(keeper, t.pid));
	close(p.sock);
	ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks);
	target_end(&t);
}

/* ---- threads ---------------------------------------------------------------- */

static void *short_life(void *arg)
{
	__atomic_add_fetch(&the_shared->ticks, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *breeder(void *arg)
{
	while (!the_shared->stop) {
		pthread_t th;

		if (!pthread_create(&th, NULL, short_life, NULL))
			pthread_join(th, NULL);
	}
	return NULL;
}

static void run_threads(struct shared *sh)
{
	pthread_t th[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, breeder, NULL);
	sh->ready = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	sh->done = 1;
}

TEST(threads_come_and_go)
{
	struct target t = target_start(run_threads);
	struct keeper_task task;
	struct keeper_parasite p;

	for (int i = 0; i < 50; i++) {
		ok(keeper_seize(keeper, t.pid, &task));
		assert_true(task.nr_threads >= 5);
		assert_int_equal(task.threads[0].tid, t.pid);
		ok(keeper_infect(keeper, t.pid, 0, &p));
		uint64_t ticks = t.sh->ticks;
		for (int n = 0; n < 20; n++)
			ping(&p);
		assert_int_equal(ticks, t.sh->ticks); /* all of them are frozen */
		ok(keeper_cure(keeper, t.pid));
		ok(keeper_release(keeper, t.pid));
		close(p.sock);
		keeper_task_deinit(&task);
		wait_until(t.sh->ticks > ticks);
	}
	t.sh->stop = 1;
	wait_until(t.sh->done);
	target_end(&t);
}

/* ---- the parasite's commands ------------------------------------------------ */

#define AREA_PAGES 64
static uint8_t *area;

static void run_area(struct shared *sh)
{
	area = mmap(NULL, AREA_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	for (size_t i = 0; i < AREA_PAGES * 4096; i++)
		area[i] = (uint8_t)(i * 31 + i / 4096);
	mprotect(area + 8 * 4096, 8 * 4096, PROT_NONE);
	sh->address = (uintptr_t)area;
	run_ticks(sh);
}

TEST(pages_pass_the_pipe)
{
	struct target t = target_start(run_area);
	struct keeper_task task;
	struct keeper_parasite p;
	struct parasite_reply r;
	static uint8_t want[AREA_PAGES * 4096], got[AREA_PAGES * 4096];
	int pipe_fd[2];
	uint64_t a = t.sh->address;

	ok(keeper_seize(keeper, t.pid, &task));
	assert_int_equal(pread(task.mem_fd, want, sizeof(want), (off_t)a), sizeof(want));
	ok(keeper_infect(keeper, t.pid, 4, &p));
	assert_int_equal(pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK), 0);
	fcntl(pipe_fd[1], F_SETPIPE_SZ, 1 << 20);

	/* Without PROT_READ the splice falls short, and the answer says where. */
	struct parasite_iov iov[3] = { { a, 4 * 4096 },
				       { a + 6 * 4096, 10 * 4096 },
				       { a + 20 * 4096, 4096 } };
	r = dump_pages(&p, iov, 3, pipe_fd[1]);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.value, 6 * 4096);
	assert_int_equal(r.at, 1);
	assert_int_equal(read(pipe_fd[0], got, sizeof(got)), 6 * 4096);

	struct parasite_vma vma = { a + 8 * 4096, 8 * 4096, PROT_NONE, 0 };
	r = change_protection(&p, &vma, 1, PROT_READ);
	assert_int_equal(r.err, 0);
	struct parasite_iov all = { a, sizeof(got) };
	r = dump_pages(&p, &all, 1, pipe_fd[1]);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.value, sizeof(got));
	assert_int_equal(r.at, 1);
	size_t have = 0;
	while (have < sizeof(got)) {
		ssize_t n = read(pipe_fd[0], got + have, sizeof(got) - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_memory_equal(want, got, sizeof(got));
	assert_true(map_has(t.pid, a + 8 * 4096, "r--p"));

	/* Put back by request, by closing the channel, and by the keeper. */
	r = change_protection(&p, &vma, 1, 0);
	assert_int_equal(r.err, 0);
	assert_true(map_has(t.pid, a + 8 * 4096, "---p"));
	r = change_protection(&p, &vma, 1, PROT_READ);
	assert_true(map_has(t.pid, a + 8 * 4096, "r--p"));
	close(p.sock);
	wait_until(map_has(t.pid, a + 8 * 4096, "---p"));
	ok(keeper_cure(keeper, t.pid));

	ok(keeper_infect(keeper, t.pid, 4, &p));
	r = change_protection(&p, &vma, 1, PROT_READ);
	assert_int_equal(r.err, 0);
	ok(keeper_cure(keeper, t.pid));
	assert_true(map_has(t.pid, a + 8 * 4096, "---p"));
	close(p.sock);

	/* Messages that make no sense are answered, and the next good one is served. */
	ok(keeper_infect(keeper, t.pid, 1, &p));
	struct parasite_msg bad = { .cmd = 77 };
	assert_int_equal(ask(&p, &bad, sizeof(bad)).err, -ENOSYS);
	assert_int_equal(ask(&p, &bad, 3).err, -EBADMSG);
	bad = (struct parasite_msg){ .cmd = PC_MPROTECT, .nr = 500 };
	assert_int_equal(ask(&p, &bad, sizeof(bad)).err, -EBADMSG);
	bad = (struct parasite_msg){ .cmd = PC_DUMP_PAGES, .nr = ~0u };
	assert_int_equal(ask(&p, &bad, sizeof(bad)).err, -EBADMSG);
	struct parasite_vma two[2] = { { a + 8 * 4096, 4096, PROT_NONE, 0 },
				       { a + 9 * 4096, 4096, PROT_NONE, 0 } };
	r = change_protection(&p, two, 2, PROT_READ); /* room for one */
	assert_int_equal(r.err, -ENOSPC);
	assert_int_equal(r.at, 1);
	struct parasite_vma hole = { 4096, 4096, PROT_NONE, 0 };
	r = change_protection(&p, two, 1, 0);
	assert_int_equal(r.err, 0);
	r = change_protection(&p, &hole, 1, PROT_READ);
	assert_int_equal(r.err, -ENOMEM);
	ping(&p);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(p.sock);
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	uint64_t ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks);
	target_end(&t);
}

TEST(a_descriptor_is_taken)
{
	struct target t = target_start(run_area);
	struct keeper_task task;
	const uint64_t one[6] = { 7, EFD_CLOEXEC | EFD_NONBLOCK }, bad[6] = { 7, 1u << 20 };
	size_t theirs = count_fds(t.pid);
	eventfd_t value;
	int64_t ret;
	int fd;

	ok(keeper_seize(keeper, t.pid, &task));
	ok(keeper_take_fd(keeper, t.pid, SYS_eventfd2, one, &ret, &fd));
	assert_int_equal(count_fds(t.pid), theirs);
	assert_int_equal(eventfd_read(fd, &value), 0);
	assert_int_equal(value, 7);
	close(fd);
	ok(keeper_take_fd(keeper, t.pid, SYS_eventfd2, bad, &ret, &fd));
	assert_int_equal(ret, -EINVAL);
	assert_int_equal(fd, -1);
	ok(keeper_release(keeper, t.pid));
	keeper_task_deinit(&task);
	uint64_t ticks = t.sh->ticks;
	wait_until(t.sh->ticks > ticks);
	target_end(&t);
}

TEST(soak)
{
	struct target t = target_start(run_ticks);
	size_t ours, theirs;

	one_visit(keeper, t.pid, NULL);
	ours = count_fds(keeper_pid(keeper));
	theirs = count_fds(t.pid);
	char *before = proc_view(t.pid);
	for (int i = 0; i < 200; i++) {
		uint64_t ticks = t.sh->ticks;

		one_visit(keeper, t.pid, NULL);
		wait_until(t.sh->ticks > ticks);
	}
	assert_int_equal(count_fds(keeper_pid(keeper)), ours);
	assert_int_equal(count_fds(t.pid), theirs);
	char *after = proc_view(t.pid);
	assert_string_equal(before, after);
	assert_int_equal(t.sh->bad, 0); /* none of its polls was ever cut short */
	free(before);
	free(after);
	target_end(&t);
}

GROUP(keeper_up, keeper_down);
