/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vm_tree STATUS: four processes (root, two children, a grandchild) that share memory, work in it
 * and check it forever.
 *
 * One shared anonymous object and one memfd, each process with other mappings of the memfd (whole,
 * from its middle on, read-only), and private memory that it inherited and partly rewrote.  Any
 * process can write a shared page, under a lock that lies in shared memory too; what it must hold
 * follows from a generation that is kept in the *other* object, so copies that are no longer shared
 * do not agree for long.  Process N keeps its counters in STATUS.N: rounds, damage, and how often
 * it saw the others at work.  Prints "READY PID" when all work.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define WORDS (PAGE / 8)
#define TASKS 4
#define SHARED 96  /* pages of each object that have content */
#define PRIVATE 64 /* pages */
#define VIEW 40    /* the page of the memfd where the second mapping begins */

/* The first pages of each object. */
struct control {
	pthread_mutex_t lock;
	uint64_t beat[TASKS];
	uint64_t gen[SHARED]; /* of the pages of the other object */
};
#define CONTROL ((sizeof(struct control) + PAGE - 1) / PAGE)

struct object {
	struct control *ctl;
	uint64_t *pages;      /* SHARED of them, after the control pages */
	const uint64_t *view; /* of pages[VIEW..] in a mapping of its own, or NULL */
};

static struct object obj[2];
static uint64_t *private_pages, private_gen[PRIVATE];
static unsigned me;
static int status_fd;
static uint64_t rounds, seen, damages;
static char first[200];

static void die(const char *what)
{
	fprintf(stderr, "vm_tree: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ull;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

/* Generation 0 was never written: zero. */
static uint64_t word(uint64_t what, uint64_t gen, size_t i)
{
	return gen ? mix(what << 40 ^ gen << 12 ^ i) : 0;
}

static void page_write(uint64_t *p, uint64_t what, uint64_t gen)
{
	for (size_t i = 0; i < WORDS; i++)
		p[i] = word(what, gen, i);
}

static void __attribute__((format(printf, 1, 2))) damage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!damages++)
		vsnprintf(first, sizeof(first), fmt, ap);
	va_end(ap);
}

static void page_check(const volatile uint64_t *p, uint64_t what, uint64_t gen, const char *name,
		       unsigned nr)
{
	for (size_t i = 0; i < WORDS; i++)
		if (p[i] != word(what, gen, i)) {
			damage("%s page %u, generation %" PRIu64 ", word %zu: %" PRIx64, name, nr,
			       gen, i, p[i]);
			return;
		}
}

static void status_write(void)
{
	char buf[512];

	memset(buf, '\n', sizeof(buf));
	int n = snprintf(buf, sizeof(buf),
			 "serial %" PRIu64 "\nrounds %" PRIu64 "\nseen %" PRIu64 "\ndamage %" PRIu64
			 "\nfirst %s\nend %" PRIu64,
			 rounds, rounds, seen, damages, first, rounds);

	buf[n] = '\n';
	if (pwrite(status_fd, buf, sizeof(buf), 0) != sizeof(buf))
		die("status");
}

static void private_round(void)
{
	unsigned nr = mix(rounds * TASKS + me) % PRIVATE;

	page_write(private_pages + nr * WORDS, 16 + me, ++private_gen[nr]);
	for (unsigned i = 0; i < PRIVATE; i++)
		/* Generation 1 is the root's, written before it forked. */
		page_check(private_pages + i * WORDS, private_gen[i] == 1 ? 16 : 16 + me,
			   private_gen[i], "private", i);
}

static void shared_round(unsigned k)
{
	struct object *o = &obj[k];
	uint64_t *gen = obj[!k].ctl->gen;
	unsigned nr = mix(rounds * TASKS + me + k) % SHARED;

	/* Every third page stays a hole of the object. */
	if (nr % 3)
		page_write(o->pages + nr * WORDS, k, ++gen[nr]);
	for (unsigned i = 0; i < SHARED; i++) {
		page_check(o->pages + i * WORDS, k, gen[i], k ? "memfd" : "anonymous", i);
		if (o->view && i >= VIEW)
			page_check(o->view + (i - VIEW) * WORDS, k, gen[i], "view of memfd", i);
	}
}

static void *work(void *arg)
{
	struct control *ctl = obj[0].ctl;
	struct timespec pause = { .tv_nsec = 5000000 };

	for (;; nanosleep(&pause, NULL)) {
		private_round();
		pthread_mutex_lock(&ctl->lock);
		shared_round(0);
		shared_round(1);
		ctl->beat[me]++;
		seen = 0;
		for (unsigned i = 0; i < TASKS; i++)
			seen += i == me ? 0 : ctl->beat[i];
		pthread_mutex_unlock(&ctl->lock);
		rounds++;
		status_write();
	}
	return NULL;
}

static void *map(size_t pages, int prot, int flags, int fd, off_t page)
{
	void *p = mmap(NULL, pages * PAGE, prot, flags, fd, page * PAGE);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void objects(int fd)
{
	pthread_mutexattr_t a;

	obj[0].ctl =
		map(CONTROL + SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ftruncate(fd, (CONTROL + SHARED) * PAGE))
		die("ftruncate");
	obj[1].ctl = map(CONTROL + SHARED, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (unsigned k = 0; k < 2; k++)
		obj[k].pages = (uint64_t *)((char *)obj[k].ctl + CONTROL * PAGE);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&obj[0].ctl->lock, &a);

	private_pages = map(PRIVATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < PRIVATE; i++)
		page_write(private_pages + i * WORDS, 16, private_gen[i] = 1);
}

/* Returns in the child, as process `nr`, which ends when its parent ends. */
static int child(unsigned nr)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = nr;
	return 1;
}

int main(int argc, char **argv)
{
	int fd = memfd_create("vm-tree", MFD_CLOEXEC);
	char path[512];
	pthread_t t;

	if (argc != 2 || fd < 0) {
		fputs("usage: vm_tree STATUS\n", stderr);
		return 2;
	}
	objects(fd);
	if (child(1))
		child(2);
	else
		child(3);

	/* The root maps the whole memfd, 1 has a second mapping, 2 a read-only one. */
	if (me == 1)
		obj[1].view =
			map(SHARED - VIEW, PROT_READ | PROT_WRITE, MAP_SHARED, fd, CONTROL + VIEW);
	if (me == 2)
		obj[1].view = map(SHARED - VIEW, PROT_READ, MAP_SHARED, fd, CONTROL + VIEW);
	close(fd);

	snprintf(path, sizeof(path), "%s.%u", argv[1], me);
	status_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (status_fd < 0)
		die(path);
	/* Also in a thread, and what that thread writes on its stack. */
	if (pthread_create(&t, NULL, work, NULL))
		die("pthread_create");

	for (unsigned i = 0; me == 0 && i < TASKS; i++)
		while (__atomic_load_n(&obj[0].ctl->beat[i], __ATOMIC_RELAXED) < 2)
			usleep(1000);
	if (me == 0) {
		printf("READY %d\n", getpid());
		fflush(stdout);
	}
	for (;;)
		pause();
}
