/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `make bench`: see tests/bench/bench/bench.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/bench/bench/bench.h"

#define TMPFS 0x01021994
#define EXT4 0xef53
#define TRIES 2u

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

/* ---- one sample, in a process of its own: bench --sample METHOD PID BYTES DIR ---------------- */

static struct err *measure(enum method m, pid_t pid, uint64_t bytes, const char *dir,
			   struct sample *s)
{
	switch (m) {
	case BARE:
	case BARE_IOV:
		return sample_bare(&pid, 1, dir, m == BARE_IOV, s);
	case STEPDUMP:
		return sample_stepdump(pid, dir, s);
	case WRITE:
		return sample_write(bytes, dir, s);
	case MEMCPY:
		return sample_memcpy(bytes, s);
	default:
		return err_new(ERR_USAGE, "no such method");
	}
}

static int sample_main(char **argv)
{
	struct sample s = { 0 };
	struct err *e = measure((enum method)atoi(argv[0]), atoi(argv[1]),
				strtoull(argv[2], NULL, 10), argv[3], &s);

	if (e)
		bench_die(e);
	return write(STDOUT_FILENO, &s, sizeof(s)) != sizeof(s);
}

/* `bench --bare DIR PID...`, for tests/bench/heartbeat: CRIU's sequence over some tasks, the root
 * first.  Prints the microseconds of the memory phase. */
static int bare_main(int argc, char **argv)
{
	pid_t *pid = xcalloc((size_t)argc, sizeof(*pid));
	struct sample s = { 0 };

	for (int i = 1; i < argc; i++)
		pid[i - 1] = atoi(argv[i]);

	struct err *e = sample_bare(pid, (size_t)argc - 1, argv[0], true, &s);

	free(pid);
	if (e)
		bench_die(e);
	printf("%lu\n", s.main);
	return 0;
}

static struct err *exec_sample(enum method m, const struct load *l, const char *dir,
			       struct sample *s)
{
	char method[12], pid[12], bytes[24];
	int p[2], status;

	snprintf(method, sizeof(method), "%u", m);
	snprintf(pid, sizeof(pid), "%d", l->pid);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)(l->nr_pages * PAGE));
	if (pipe2(p, O_CLOEXEC))
		return err_sys(errno, "make a pipe");

	pid_t child = fork();

	if (child < 0)
		return err_sys(errno, "fork");
	if (!child) {
		dup2(p[1], STDOUT_FILENO);
		execl("/proc/self/exe", "bench", "--sample", method, pid, bytes, dir, (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	ssize_t n = read(p[0], s, sizeof(*s));
	close(p[0]);
	if (waitpid(child, &status, 0) != child || status || n != sizeof(*s))
		return err_new(ERR_CHECK, "the sample failed (status 0x%x)", status);
	return NULL;
}

/* ---- all samples ---------------------------------------- */

struct job {
	unsigned load, out;
	enum method method;
};

/* We cause a small part of the delay ourselves: dumper and target wake each other. */
static bool is_disturbed(const struct sample *s)
{
	return s->delay * 100 > s->main * 15;
}

static bool touches_target(enum method m)
{
	return m != WRITE && m != MEMCPY;
}

/* The next sample must not pay for what the file system still has to do for the last one. */
static void settle(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		syncfs(fd);
		close(fd);
	}
}

static struct err *try_job(struct results *r, const struct job *j, bool verify, struct sample *s)
{
	struct load *l = &r->load[j->load];
	char dir[4000], img[4096];

	snprintf(dir, sizeof(dir), "%s/stepdump-bench.%d", r->out[j->out].path, getpid());
	snprintf(img, sizeof(img), "%s/img", dir);
	if (mkdir(dir, 0700) || mkdir(img, 0700))
		return err_sys(errno, "create %s", img);
	touch_free_memory(l->nr_pages * PAGE);

	if (touches_target(j->method))
		load_watch(l);
	struct err *e = exec_sample(j->method, l, dir, s);

	if (touches_target(j->method))
		s->frozen = load_unwatch(l);
	if (!e && verify && touches_target(j->method))
		e = verify_images(l, dir);
	remove_tree(dir);
	settle(r->out[j->out].path);
	return err_wrap(e, "%s, %s to %s", method_names[j->method], l->name, r->out[j->out].name);
}

/* Keeps the least disturbed of a few tries. */
static struct err *do_job(struct results *r, const struct job *j, bool verify)
{
	struct series *series = &r->series[j->load][j->out][j->method];
	struct sample best, s;

	for (unsigned i = 0; i < TRIES; i++) {
		TRY(try_job(r, j, verify && !i, &s));
		if (!i || s.delay * best.main < best.delay * s.main)
			best = s;
		if (!is_disturbed(&best))
			break;
	}
	r->disturbed += is_disturbed(&best);
	series->s[series->nr++] = best;
	return NULL;
}

static size_t list_jobs(const struct results *r, struct job *jobs)
{
	size_t n = 0;

	for (unsigned l = 0; l < NR_LOADS; l++)
		for (unsigned out = 0; out < NR_OUTS; out++)
			for (unsigned m = 0; m < NR_METHODS; m++)
				if (r->load[l].pid && (m != MEMCPY || !out))
					jobs[n++] = (struct job){ l, out, m };
	return n;
}

static void shuffle(struct job *jobs, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)random() % i;
		struct job t = jobs[k];

		jobs[k] = jobs[i - 1];
		jobs[i - 1] = t;
	}
}

static struct err *do_rounds(const struct bench_options *o, struct results *r)
{
	struct job jobs[NR_LOADS * NR_OUTS * NR_METHODS];
	size_t n = list_jobs(r, jobs);

	srandom(o->seed);
	for (unsigned round = 0; round < o->rounds; round++) {
		shuffle(jobs, n);
		for (size_t i = 0; i < n; i++) {
			if (interrupted)
				return err_new(ERR_INTERRUPTED, "interrupted");
			fprintf(stderr, "\rround %u of %u, sample %zu of %zu ", round + 1,
				o->rounds, i + 1, n);
			TRY(do_job(r, &jobs[i], round == 0));
		}
	}
	fprintf(stderr, "\r%40s\r", "");
	return NULL;
}

static struct err *check_output(struct output *out, bool want_tmpfs)
{
	struct statfs st;

	if (statfs(out->path, &st))
		return err_sys(errno, "look at %s", out->path);
	if ((st.f_type == TMPFS) != want_tmpfs)
		return err_hint(
			err_new(ERR_USAGE, "%s is %sa tmpfs", out->path, want_tmpfs ? "not " : ""),
			"name another directory with --%s DIR", out->name);
	if (st.f_type == TMPFS || st.f_type == EXT4)
		snprintf(out->fs, sizeof(out->fs), "%s", st.f_type == TMPFS ? "tmpfs" : "ext4");
	else
		snprintf(out->fs, sizeof(out->fs), "0x%lx", (unsigned long)st.f_type);
	return NULL;
}

static struct err *bench(const struct bench_options *o, struct results *r)
{
	struct err *e = NULL;

	for (unsigned i = 0; i < NR_OUTS; i++)
		TRY(check_output(&r->out[i], i == 0));
	for (unsigned i = 0; !e && i < NR_LOADS; i++)
		if (!o->only || !strcmp(o->only, load_names[i]))
			e = load_start(&r->load[i], i, o->mib);
	if (!e)
		e = do_rounds(o, r);
	for (unsigned i = 0; i < NR_LOADS; i++)
		load_stop(&r->load[i]);
	return e;
}

int main(int argc, char **argv)
{
	static struct results r;
	struct bench_options o;

	if (argc == 6 && !strcmp(argv[1], "--sample"))
		return sample_main(argv + 2);
	if (argc >= 4 && !strcmp(argv[1], "--bare"))
		return bare_main(argc - 2, argv + 2);
	bench_options(argc, argv, 7, &o);
	r.out[0] = (struct output){ .name = "tmpfs", .path = o.tmpfs };
	r.out[1] = (struct output){ .name = "disk", .path = o.disk };
	r.rounds = o.rounds;
	/* The sample ends first, or dies of the same ^C; then its files are removed. */
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	fprintf(stderr, "seed %u\n", o.seed);
	struct err *e = bench(&o, &r);

	if (e)
		bench_die(e);
	if (o.json)
		report_json(&r);
	else
		report_table(&r);
	return !report_checks(&r, o.json);
}
