/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base/: arrays, bisection, scope guards, whole reads and writes, and running out of memory. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/num.h"
#include "base/vec.h"

#include "tests/lib/test.h"

struct row {
	uint64_t start, end;
};

TEST(array_grows_and_is_searched)
{
	struct row *v = NULL;
	size_t nr = 0;

	for (uint64_t i = 0; i < 1000; i++) {
		struct row *r = vec_push(v, nr);

		assert_int_equal(r->start | r->end, 0);
		*r = (struct row){ i * 10, i * 10 + 5 };
	}
	assert_int_equal(nr, 1000);
	for (uint64_t addr = 0; addr < 10010; addr++) {
		size_t want = 0;

		while (want < nr && v[want].end <= addr)
			want++;
		assert_int_equal(vec_first(nr, i, v[i].end > addr), want);
	}
	assert_int_equal(vec_first(0, i, v[i].end > 0), 0);
	vec_remove(v, nr, 0);
	vec_remove(v, nr, nr - 1);
	assert_int_equal(nr, 998);
	assert_int_equal(v[0].start, 10);
	assert_int_equal(v[997].start, 9980);
	while (nr > 8)
		vec_remove(v, nr, 3);
	vec_push(v, nr)->start = 7;
	assert_int_equal(v[8].start, 7);
	free(v);
}

static int guarded(int *fd_ret, bool keep)
{
	AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = xasprintf("%d", fd);

	*fd_ret = fd;
	errno = EBADF;
	if (keep)
		return TAKE_FD(fd);
	return (int)strlen(text) * -1;
}

TEST(guards_give_back)
{
	int fd, kept = guarded(&fd, true);

	assert_int_equal(kept, fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_true(guarded(&fd, false) < 0);
	assert_int_equal(errno, EBADF);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void on_alarm(int sig)
{
}

static void *slow_writer(void *arg)
{
	int fd = *(int *)arg;
	char block[1000];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 300; i++)
		if (write_full(fd, block, sizeof(block)) != sizeof(block))
			return NULL;
	close(fd);
	return NULL;
}

/* A pipe is filled bit by bit while a timer interrupts every call: all bytes and the end of file
 * arrive. */
TEST(io_goes_on)
{
	struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	struct itimerval it = { .it_interval.tv_usec = 300, .it_value.tv_usec = 300 };
	static char buf[400000];
	pthread_t t;
	int p[2];

	assert_int_equal(pipe(p), 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	assert_int_equal(pthread_create(&t, NULL, slow_writer, &p[1]), 0);
	assert_int_equal(read_full(p[0], buf, sizeof(buf)), 300000);
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	pthread_join(t, NULL);
	close(p[0]);
	assert_int_equal(buf[299999], 'x');

	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write_full(full, buf, 10), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(read_full(-1, buf, 1), -1);
	assert_int_equal(errno, EBADF);
}

TEST(sums_saturate)
{
	assert_int_equal(add_sat(UINT64_MAX - 1, 1), UINT64_MAX);
	assert_int_equal(add_sat(UINT64_MAX, 2), UINT64_MAX);
	assert_int_equal(mul_sat(1ul << 40, 1ul << 24), UINT64_MAX);
	assert_int_equal(mul_sat(3, 5), 15);
}

/* A child with little address space allocates until it ends: status 3 if mem_low() was true in
 * time. */
static int child_without_memory(bool with_reserve)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit as = { 512ul << 20, 512ul << 20 }, core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &core);
		signal(SIGABRT, SIG_DFL);
		if (with_reserve)
			mem_reserve(8ul << 20);
		setrlimit(RLIMIT_AS, &as);
		for (;;) {
			xzalloc(1ul << 20);
			if (mem_low()) {
				free(xasprintf("%s", "still there"));
				_exit(3);
			}
		}
	}
	int status = 0;
	waitpid(pid, &status, 0);
	return status;
}

TEST(memory_runs_out)
{
#ifdef __SANITIZE_ADDRESS__
	skip_because("the sanitizer needs the address space");
#endif
	int status = child_without_memory(false);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	status = child_without_memory(true);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
