/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The demo target: see demo/demo.h.  `demo --help` lists the options. */
#include "demo/demo.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options opt = { .threads = 3, .sparse_every = 64 };

static volatile uint64_t rounds, writes;
static uint64_t nr_damage;
static char first_damage[300];
static pthread_mutex_t damage_lock = PTHREAD_MUTEX_INITIALIZER;
static int status_fd = -1;
static char temp_dir[64];
static volatile bool setup_done;

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void cleanup(void)
{
	static const char *const names[] = { "private.map", "shared.map" };
	char path[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", opt.dir, names[i]);
		unlink(path);
	}
	if (temp_dir[0])
		rmdir(temp_dir);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("demo: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (opt.dir)
		cleanup();
	exit(2);
}

/* Fixed length, one pwrite(): "end" repeats the serial, so a reader can tell a torn copy. */
static void status_write(void)
{
	static uint64_t serial;
	char buf[1024];

	if (status_fd < 0)
		return;
	serial++;
	memset(buf, '\n', sizeof(buf));
	int n = snprintf(
		buf, sizeof(buf),
		"serial %" PRIu64 "\npid %d\nseed %" PRIu64 "\nrounds %" PRIu64 "\npages %" PRIu64
		"\nwrites %" PRIu64 "\nspins %" PRIu64 "\nticks %" PRIu64 "\nsleeps %" PRIu64
		"\npolls %" PRIu64 "\ndamage %" PRIu64 "\nfirst %s\nend %" PRIu64,
		serial, getpid(), opt.seed, rounds, pages_verified(), writes, life_spins(),
		life_ticks(), life_sleeps(), life_polls(), nr_damage, first_damage, serial);

	buf[n] = '\n';
	if (pwrite(status_fd, buf, sizeof(buf), 0) != sizeof(buf))
		nr_damage++;
}

void damage(const char *fmt, ...)
{
	char msg[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&damage_lock);
	if (!nr_damage++)
		memcpy(first_damage, msg, sizeof(msg));
	if (nr_damage <= 20)
		dprintf(2, "demo: DAMAGE: %s\n", msg);
	if (opt.fatal) {
		status_write();
		cleanup();
		_exit(1);
	}
	pthread_mutex_unlock(&damage_lock);
}

/* ---- threads -------------------------------------------------------------- */

#define STACK_PAGES 4
static pthread_barrier_t started;

/* Makes a region of memory on the caller's stack. */
static void stack_region(const char *name, unsigned char *raw)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned char *p = (void *)(((uintptr_t)raw + PAGE - 1) & ~(PAGE - 1));

	pthread_mutex_lock(&lock);
	region_fill(region_add(name, p, STACK_PAGES * PAGE, PROT_READ | PROT_WRITE));
	kind_yes(name);
	pthread_mutex_unlock(&lock);
}

static void sleep_us(unsigned us)
{
	struct timespec ts = { .tv_nsec = us * 1000l };

	nanosleep(&ts, NULL);
}

static void *worker(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	unsigned char raw[(STACK_PAGES + 1) * PAGE];
	static char names[16][24];

	snprintf(names[me], sizeof(names[me]), "thread-stack-%u", (unsigned)me);
	stack_region(names[me], raw);
	pthread_barrier_wait(&started);
	if (opt.quiet)
		for (;;)
			pause();

	for (uint64_t x = mix64(opt.seed + me);; x = mix64(x + me + 1)) {
		struct region *r = &regions[x % nr_regions];

		/* Every worker has its own regions: x picks one, the rest of x the pages. */
		if ((r->id % opt.threads) != me || r->w_end <= r->w_first)
			continue;
		size_t nr = (r->w_end - r->w_first + r->w_step - 1) / r->w_step;

		for (unsigned k = 0; k < 8; k++)
			region_write_page(r, r->w_first + mix64(x + k) % nr * r->w_step);
		__atomic_add_fetch(&writes, 8, __ATOMIC_RELAXED);
		sleep_us(1000);
	}
	return NULL;
}

static void verify_round(void)
{
	for (unsigned i = 0; i < nr_regions; i++)
		if (!regions[i].rarely || opt.for_criu || rounds % 64 == 0)
			region_verify(&regions[i]);
	swapped_pageout();
	/* Reading 60,000 lines takes longer than all the rest. */
	if (opt.vmas < 1000 || rounds % 32 == 0)
		maps_verify();
	if (setup_done)
		life_verify();
	aio_work();
	rounds++;
	status_write();
}

static void *verifier(void *arg)
{
	pthread_barrier_wait(&started);
	while (!setup_done)
		sleep_us(1000);
	if (opt.quiet)
		for (;;)
			pause();
	for (;;) {
		verify_round();
		sleep_us(20000);
	}
	return NULL;
}

static void fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid) {
		kind_yes("child");
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		pause();
}

static void seccomp_allow(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { .len = 1, .filter = &allow };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0))
		die("--seccomp: %s", strerror(errno));
	kind_yes("seccomp");
}

/* ---- options --------------------------------------------------------------- */

static const char usage[] =
	"usage: demo [OPTION]...\n"
	"Owns every kind of memory the kernel lets it have, works in it, checks it for ever.\n"
	"Prints 'seed N' and 'READY PID' on stdout when all is set up.\n"
	"  --list            print each kind of memory: yes, or no and why; then exit\n"
	"  --seed N          content and order of work (default: from the clock)\n"
	"  --status FILE     keep counters there: rounds, damage, first damage ...\n"
	"  --record FILE     write what every page holds (with --quiet-memory it stays true)\n"
	"  --quiet-memory    write nothing after READY; SIGUSR1 makes one round of checks\n"
	"  --fatal           exit 1 at the first damage\n"
	"  --run-for SECONDS exit 0 after that time, 1 if there was damage\n"
	"  --dir DIR         for the files it maps (default: a new directory in /tmp)\n"
	"  --threads N       workers (default 3)\n"
	"  --sparse-every N  a gigabyte with every n-th page used (default 64; 0: none)\n"
	"  --dense SIZE --reserve SIZE --vmas N --child --seccomp\n"
	"  --for-criu        ask for nothing that a dump and restore by CRIU cannot give;\n"
	"                    check all memory in each round\n"
	"  --aio             an AIO ring: whoever has one may write unseen by dirty tracking, so that\n"
	"                    an incremental dump finds nothing unchanged\n"
	"  --lesson          only the memory of the lessons, at fixed addresses, one thread\n"
	"  --secretmem --iouring   memory that cannot be dumped\n";

static size_t size_arg(const char *s)
{
	char *end;
	unsigned long long n = strtoull(s, &end, 0);

	switch (*end) {
	case 'T':
		n <<= 10; /* fall through */
	case 'G':
		n <<= 10; /* fall through */
	case 'M':
		n <<= 10; /* fall through */
	case 'K':
		n <<= 10;
		end++;
	}
	if (*end || end == s)
		die("bad size '%s'", s);
	return n;
}

static void parse(int argc, char **argv, bool *list)
{
	enum {
		SEED = 1,
		STATUS,
		RECORD,
		DIR_,
		THREADS,
		SPARSE,
		DENSE,
		RESERVE,
		VMAS,
		CHILD,
		SECRET,
		URING,
		SECCOMP,
		QUIET,
		FATAL,
		RUN,
		CRIU,
		AIO,
		LESSON,
		LIST,
		HELP
	};
	static const struct option longopts[] = {
		{ "seed", 1, 0, SEED },        { "status", 1, 0, STATUS },
		{ "record", 1, 0, RECORD },    { "dir", 1, 0, DIR_ },
		{ "threads", 1, 0, THREADS },  { "sparse-every", 1, 0, SPARSE },
		{ "dense", 1, 0, DENSE },      { "reserve", 1, 0, RESERVE },
		{ "vmas", 1, 0, VMAS },        { "child", 0, 0, CHILD },
		{ "secretmem", 0, 0, SECRET }, { "iouring", 0, 0, URING },
		{ "seccomp", 0, 0, SECCOMP },  { "quiet-memory", 0, 0, QUIET },
		{ "fatal", 0, 0, FATAL },      { "run-for", 1, 0, RUN },
		{ "for-criu", 0, 0, CRIU },    { "list", 0, 0, LIST },
		{ "aio", 0, 0, AIO },          { "lesson", 0, 0, LESSON },
		{ "help", 0, 0, HELP },        { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		switch (c) {
		case SEED:
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case STATUS:
			opt.status = optarg;
			break;
		case RECORD:
			opt.record = optarg;
			break;
		case DIR_:
			opt.dir = optarg;
			break;
		case THREADS:
			opt.threads = size_arg(optarg);
			break;
		case SPARSE:
			opt.sparse_every = size_arg(optarg);
			break;
		case DENSE:
			opt.dense = size_arg(optarg);
			break;
		case RESERVE:
			opt.reserve = size_arg(optarg);
			break;
		case VMAS:
			opt.vmas = size_arg(optarg);
			break;
		case CHILD:
			opt.child = true;
			break;
		case SECRET:
			opt.secretmem = true;
			break;
		case URING:
			opt.iouring = true;
			break;
		case SECCOMP:
			opt.seccomp = true;
			break;
		case QUIET:
			opt.quiet = true;
			break;
		case FATAL:
			opt.fatal = true;
			break;
		case CRIU:
			opt.for_criu = true;
			break;
		case AIO:
			opt.aio = true;
			break;
		case LESSON:
			opt.lesson = true;
			break;
		case RUN:
			opt.run_for = size_arg(optarg);
			break;
		case LIST:
			*list = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	/* A quiet target has no timer. */
	if (optind < argc || !opt.threads || opt.threads > 16 || (opt.quiet && opt.run_for))
		die("bad arguments; see --help");
}

static void print_list(void)
{
	for (unsigned i = 0; i < nr_kinds; i++)
		printf("%-22s %s%s%s\n", kinds[i].name, kinds[i].have ? "yes" : "no",
		       kinds[i].have ? "" : ": ", kinds[i].why);
}

static volatile sig_atomic_t asked_to_end, asked_to_check;

static void on_end(int sig)
{
	asked_to_end = 1;
}

static void on_check(int sig)
{
	asked_to_check = 1;
}

/* sigsuspend() goes on by itself after a stop, where sigwait() would return and leave traces
 * of that on the stack.  The timer's ticks end it too. */
static int live(void)
{
	uint64_t end = opt.run_for ? now_us() + opt.run_for * 1000000ull : UINT64_MAX;
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	sigdelset(&mask, SIGTERM);
	sigdelset(&mask, SIGINT);
	sigdelset(&mask, SIGUSR1);
	while (!asked_to_end && now_us() < end) {
		sigsuspend(&mask);
		if (asked_to_check && opt.quiet)
			verify_round();
		asked_to_check = 0;
	}
	cleanup();
	if (opt.run_for)
		printf("%" PRIu64 " rounds, %" PRIu64 " pages verified, %" PRIu64
		       " written, damage %" PRIu64 "\n",
		       rounds, pages_verified(), writes, nr_damage);
	fflush(stdout);
	_exit(opt.run_for && nr_damage);
}

static int lesson_live(void)
{
	sigset_t set;

	lesson_setup();
	status_write();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	printf("READY %d\n", getpid());
	fflush(stdout);
	while (!asked_to_end) {
		lesson_round();
		if (++rounds % 64 == 0)
			status_write();
	}
	cleanup();
	_exit(nr_damage != 0);
}

static void handle(int sig, void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_RESTART };

	sigaction(sig, &sa, NULL);
}

int main(int argc, char **argv)
{
	unsigned char raw[(STACK_PAGES + 1) * PAGE];
	bool list = false;
	sigset_t block;

	opt.seed = now_us();
	parse(argc, argv, &list);
	if (opt.lesson) {
		opt.seed = 1;
		lesson_fix_layout(argv);
	}
	if (!opt.dir) {
		strcpy(temp_dir, "/tmp/stepdump-demo.XXXXXX");
		opt.dir = mkdtemp(temp_dir);
		if (!opt.dir)
			die("mkdtemp: %s", strerror(errno));
	}
	if (opt.status) {
		status_fd = open(opt.status, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (status_fd < 0)
			die("%s: %s", opt.status, strerror(errno));
	}
	/* From here on malloc makes no mapping of its own: the layout must not change. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);

	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGUSR1);
	sigaddset(&block, SIGUSR2);
	sigaddset(&block, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	handle(SIGTERM, on_end);
	handle(SIGINT, on_end);
	handle(SIGUSR1, on_check);
	if (opt.lesson)
		return lesson_live();

	kinds_setup();
	stack_region("stack", raw);
	if (opt.child)
		fork_child();
	else
		kind_no("child", "asked for with --child");
	if (opt.seccomp)
		seccomp_allow();
	else
		kind_no("seccomp", "asked for with --seccomp");

	/* Workers add their stacks to the table before anything walks it. */
	pthread_barrier_init(&started, NULL, opt.threads + 2);
	for (uintptr_t i = 0; i < opt.threads; i++)
		thread_start("worker", worker, (void *)i);
	thread_start("verifier", verifier, NULL);
	pthread_barrier_wait(&started);
	life_start();
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);

	verify_round();
	life_record_state();
	if (list) {
		print_list();
		cleanup();
		exit(0);
	}
	if (opt.record)
		regions_record(opt.record);
	status_write();
	printf("seed %" PRIu64 "\nREADY %d\n", opt.seed, getpid());
	fflush(stdout);
	setup_done = true;
	return live();
}
