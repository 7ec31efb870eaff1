/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `holds MODE [ARG]`: a process with descriptors that CRIU cannot dump, or only with an option, or that only
 * look so.  Prints "READY PID", then waits.  Status 77: this kernel lacks it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int ok, const char *what)
{
	if (ok)
		return;
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(77);
}

static int outsider_ends;

static void wait_here(void)
{
	printf("READY %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}

/* Forks a process of another session, outside of the tree, which ends with this one: true in it. */
static int outsider(void)
{
	int ends[2];

	need(!pipe2(ends, O_CLOEXEC), "pipe");
	if (fork()) {
		wait(NULL);
		close(ends[0]);
		return 0;
	}
	if (fork())
		_exit(0);
	setsid();
	close(ends[1]);
	close(STDOUT_FILENO);
	outsider_ends = ends[0];
	return 1;
}

static void outsider_waits(void)
{
	char c;

	while (read(outsider_ends, &c, 1) > 0)
		;
	_exit(0);
}

static int listener(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	need(fd >= 0 && !bind(fd, (struct sockaddr *)a, len) && !listen(fd, 5) &&
		     !getsockname(fd, (struct sockaddr *)a, &len),
	     "listen");
	return fd;
}

static int caller(const struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	need(fd >= 0 && !connect(fd, (const struct sockaddr *)a, sizeof(*a)), "connect");
	return fd;
}

static void mode_tcp(const char *arg)
{
	struct sockaddr_in a;
	int at = listener(&a);

	caller(&a);
	need(accept(at, NULL, NULL) >= 0, "accept");
	close(at);
	wait_here();
}

static void mode_tcp_queue(const char *arg)
{
	struct sockaddr_in a;

	listener(&a);
	caller(&a);
	wait_here();
}

static void mode_lock(const char *arg)
{
	int fd = open(arg, O_RDWR | O_CREAT, 0600);

	need(fd >= 0 && !flock(fd, LOCK_EX), arg);
	wait_here();
}

static void mode_posix_lock(const char *arg)
{
	int fd = open(arg, O_RDWR | O_CREAT, 0600);

	need(fd >= 0 && !lockf(fd, F_TLOCK, 10), arg);
	wait_here();
}

static void mode_file(const char *arg)
{
	need(open(arg, O_RDONLY) >= 0, arg);
	wait_here();
}

/* "FAMILY TYPE PROTOCOL" */
static void mode_socket(const char *arg)
{
	int family = 0, type = 0, protocol = 0;

	need(sscanf(arg, "%d %d %d", &family, &type, &protocol) == 3 &&
		     socket(family, type, protocol) >= 0,
	     arg);
	wait_here();
}

static void mode_unshared(const char *arg)
{
	need(!unshare(CLONE_NEWNS), "unshare");
	wait_here();
}

static void mode_queue(const char *arg)
{
	char name[64];

	snprintf(name, sizeof(name), "/stepdump.%d", getpid());
	need(mq_open(name, O_RDWR | O_CREAT, 0600, NULL) >= 0, "mq_open");
	mq_unlink(name);
	wait_here();
}

/* ARG master: it holds both ends. */
static void mode_terminal(const char *arg)
{
	int master, slave;

	need(!openpty(&master, &slave, NULL, NULL, NULL), "openpty");
	if (*arg)
		wait_here();
	if (outsider()) {
		close(slave);
		outsider_waits();
	}
	close(master);
	wait_here();
}

/* ARG own: both ends stay in the process. */
static void mode_unix(const char *arg)
{
	int ends[2];

	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	if (*arg)
		wait_here();
	if (outsider()) {
		close(ends[0]);
		outsider_waits();
	}
	close(ends[1]);
	wait_here();
}

/* ARG: the path of a socket of somebody else's. */
static void mode_unix_datagram(const char *arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg);
	need(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)), arg);
	wait_here();
}

static void mode_memory_merge(const char *arg)
{
	need(!prctl(67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0), "PR_SET_MEMORY_MERGE");
	wait_here();
}

static const struct {
	const char *name;
	void (*run)(const char *arg);
} modes[] = {
	{ "tcp", mode_tcp },           { "tcp-queue", mode_tcp_queue },
	{ "lock", mode_lock },         { "posix-lock", mode_posix_lock },
	{ "file", mode_file },         { "socket", mode_socket },
	{ "unshared", mode_unshared }, { "queue", mode_queue },
	{ "unix", mode_unix },         { "unix-datagram", mode_unix_datagram },
	{ "terminal", mode_terminal }, { "memory-merge", mode_memory_merge },
};

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run(argc > 2 ? argv[2] : "");
	fprintf(stderr, "usage: holds MODE [ARG]\n");
	return 2;
}
