/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The page server against the socket alone: the same bytes from memory through a pipe into a socket and from
 * there into a file on a tmpfs, once as a page-server conversation between our client and our server,
 * once as nothing but splice() on both sides.  The two follow each other, the first of a pair in turn; the result is
 * the median of the ratios within the pairs, with the quartiles.
 *
 * Each end has a processor of its own, as on two machines, and real-time priority if we may, so that others do not
 * count.  CPU time is what both ends took together.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/num.h"
#include "engine/image/flatdir.h"
#include "engine/image/pagemap_image.h"
#include "engine/net/addr.h"
#include "engine/net/client.h"
#include "engine/net/serve.h"

#define CHUNK (1u << 20) /* what a pipe holds */
#define MAX_ROUNDS 32u

static char dir[] = "/dev/shm/stepdump-bench.XXXXXX";
static char *memory;
static uint64_t bytes = 256ul << 20;
static unsigned entry_pages = 256;
static int pipes[2];

static void die(struct err *e)
{
	AUTO_FREE char *text = err_text(e);

	fprintf(stderr, "bench: %s\n", text);
	exit(2);
}

static void must(bool ok, const char *what)
{
	if (!ok)
		die(err_sys(errno, "%s", what));
}

static void fill_pipe(uint64_t at, uint64_t len)
{
	struct iovec v = { memory + at, len };

	while (v.iov_len) {
		ssize_t n = vmsplice(pipes[1], &v, 1, 0);

		must(n > 0, "vmsplice");
		v.iov_base = (char *)v.iov_base + n;
		v.iov_len -= (size_t)n;
	}
}

static void run_on(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* there may be only one */
}

/* ---- both ends with nothing between them -------------------------------------------------------- */

static void raw_receive(int listener)
{
	AUTO_CLOSE int fd = RETRY(accept(listener, NULL, NULL));
	AUTO_FREE char *path = xasprintf("%s/raw", dir);
	AUTO_CLOSE int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int p[2];
	ssize_t n;

	must(fd >= 0 && file >= 0 && !pipe2(p, O_CLOEXEC), "receive");
	fcntl(p[1], F_SETPIPE_SZ, CHUNK);
	while ((n = splice(fd, NULL, p[1], NULL, CHUNK, SPLICE_F_MOVE)) > 0)
		for (ssize_t m; n > 0; n -= m)
			must((m = splice(p[0], NULL, file, NULL, (size_t)n, SPLICE_F_MOVE)) > 0,
			     "splice");
	must(!n && !fsync(file) && write(fd, "", 1) == 1, "receive");
}

static uint64_t raw_round(void)
{
	AUTO_FREE char *where = NULL;
	AUTO_CLOSE int listener = -1;
	AUTO_CLOSE int fd = -1;
	bool open_to_all;
	char done;
	struct err *e = net_listen("0", NULL, &listener, &where, &open_to_all);

	if (e)
		die(e);
	fcntl(listener, F_SETFL, 0);
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		run_on(1);
		raw_receive(listener);
		_exit(0);
	}
	const struct net_limit limit = net_limit(10000, NULL);

	if ((e = net_connect(where, &limit, &fd)))
		die(e);
	fcntl(fd, F_SETFL, 0);

	uint64_t t0 = now_us();

	for (uint64_t at = 0; at < bytes; at += CHUNK) {
		fill_pipe(at, CHUNK);
		for (uint64_t left = CHUNK; left;) {
			ssize_t n = splice(pipes[0], NULL, fd, NULL, left, SPLICE_F_MOVE);

			must(n > 0, "splice");
			left -= (uint64_t)n;
		}
	}
	shutdown(fd, SHUT_WR);
	must(read(fd, &done, 1) == 1, "read");
	t0 = now_us() - t0;
	waitpid(pid, NULL, 0);
	return t0;
}

/* ---- a conversation ------------------------------------------------------------------------------ */

static int told; /* where the server's process says what its address is */

static void on_event(void *arg, const struct serve_event *ev)
{
	if (ev->what == SERVE_LISTENING)
		must(write_full(told, ev->text, strlen(ev->text)) > 0, "tell the address");
}

static pid_t start_server(char *where, size_t len)
{
	AUTO_FREE char *set = xasprintf("%s/set", dir);
	int p[2];

	must(!pipe(p), "pipe");
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		static const volatile sig_atomic_t never;
		struct serve_opts o = { .where = "0", .dir = set, .once = true, .clients = 1 };

		told = p[1];
		run_on(1);
		struct err *e = serve_run(&o, &never, on_event, NULL);

		if (e)
			die(e);
		_exit(0);
	}
	close(p[1]);
	ssize_t n = read(p[0], where, len - 1);

	must(n > 0, "read the address");
	where[n] = '\0';
	close(p[0]);
	return pid;
}

static struct err *send_all(struct ps_client *c, uint64_t dst)
{
	bool there;

	TRY(ps_parent(c, dst, &there));
	TRY(ps_open(c, dst, &there));
	for (uint64_t at = 0; at < bytes; at += CHUNK) {
		fill_pipe(at, CHUNK);
		for (uint64_t in = 0, len = entry_pages * PAGE_BYTES; in < CHUNK; in += len) {
			uint64_t moved = 0;

			TRY(ps_add(c, dst, at + in, entry_pages, PE_PRESENT));
			TRY(ps_splice(c, pipes[0], len, &moved));
		}
	}
	return ps_close(c);
}

static uint64_t server_round(void)
{
	struct ps_client *c;
	char where[64];
	pid_t pid = start_server(where, sizeof(where));
	int status;
	struct err *e = ps_connect(where, PS_WIRE_4_2, 60, NULL, &c);

	if (e)
		die(e);
	uint64_t t0 = now_us();

	if ((e = send_all(c, ps_dst_id(false, 1))))
		die(e);
	t0 = now_us() - t0;
	ps_destroy(c);
	must(waitpid(pid, &status, 0) == pid && !status, "the server");
	return t0;
}

static void clear(const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		err_free(flatdir_clear(fd, path));
	if (rmdir(path))
		unlink(path);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* CPU time in seconds that this process, or the children that have ended, have taken. */
static double cpu(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* What one round took, in seconds. */
struct took {
	double wall, sender, receiver;
};

static struct took measure(uint64_t (*round)(void), const char *leaves)
{
	double sender = cpu(RUSAGE_SELF), receiver = cpu(RUSAGE_CHILDREN);
	struct took t = { .wall = (double)round() / 1e6 };

	t.sender = cpu(RUSAGE_SELF) - sender;
	t.receiver = cpu(RUSAGE_CHILDREN) - receiver;
	clear(leaves);
	return t;
}

static struct took measure_raw(void)
{
	return measure(raw_round, "raw");
}

static struct took measure_server(void)
{
	return measure(server_round, "set");
}

static void compare(unsigned pages, unsigned rounds)
{
	double wall[MAX_ROUNDS], both[MAX_ROUNDS], receiver[MAX_ROUNDS], rate[MAX_ROUNDS];

	entry_pages = pages;
	measure_raw(); /* warms up */
	measure_server();
	for (unsigned i = 0; i < rounds; i++) {
		struct took raw, server;

		if (i % 2)
			raw = measure_raw();
		server = measure_server();
		if (i % 2 == 0)
			raw = measure_raw();
		wall[i] = server.wall / raw.wall;
		both[i] = (server.sender + server.receiver) / (raw.sender + raw.receiver);
		receiver[i] = server.receiver / raw.receiver;
		rate[i] = (double)bytes / server.wall / 1e6;
	}
	qsort(wall, rounds, sizeof(*wall), by_value);
	qsort(both, rounds, sizeof(*both), by_value);
	qsort(receiver, rounds, sizeof(*receiver), by_value);
	qsort(rate, rounds, sizeof(*rate), by_value);
	printf("page server, %3u pages in an entry: %5.0f MB/s; of splice alone: time %.2f (%.2f to %.2f), CPU time "
	       "%.2f (%.2f to %.2f), of the receiver %.2f\n",
	       pages, rate[rounds / 2], wall[rounds / 2], wall[rounds / 4], wall[rounds * 3 / 4],
	       both[rounds / 2], both[rounds / 4], both[rounds * 3 / 4], receiver[rounds / 2]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "--quick");
	unsigned rounds = quick ? 5 : 11;

	if (quick)
		bytes = 64ul << 20;
	run_on(0);
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 });
	must(mkdtemp(dir) && !pipe2(pipes, O_CLOEXEC) && fcntl(pipes[1], F_SETPIPE_SZ, CHUNK) > 0,
	     "set up");
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "memory");
	must(!madvise(memory, bytes, MADV_DONTFORK),
	     "memory"); /* forks copy no page tables of it */
	memset(memory, 7, bytes);
	compare(256, rounds);
	compare(16, rounds);
	compare(8, rounds);
	compare(4, rounds);
	compare(2, rounds);
	compare(1, rounds);
	rmdir(dir);
	return 0;
}
