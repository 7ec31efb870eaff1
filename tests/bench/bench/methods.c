/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The other methods: stepdump's engine, and the best that the machine can do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/session/session.h"

#include "tests/bench/bench/bench.h"

const char *const method_names[NR_METHODS] = {
	[BARE] = "bare loop",    [BARE_IOV] = "bare, splice/iov",
	[STEPDUMP] = "stepdump", [WRITE] = "write() 1 MiB",
	[MEMCPY] = "memcpy",
};

/* ---- stepdump -------------------------------------------------------------------- */

static struct err *run(struct session *s, enum run_kind kind, Stepdump__Stop **stop)
{
	struct run_request req = { .kind = kind, .count = 1 };

	stepdump__stop__free_unpacked(*stop, NULL);
	return session_run(s, &req, stop);
}

static struct err *run_to_gate(struct session *s, pid_t pid, struct sample *smp,
			       Stepdump__Stop **stop)
{
	uint64_t t0 = now_us();

	TRY(run(s, RUN_STEP, stop)); /* prepare */
	smp->prepare = now_us() - t0;
	smp->delay = run_delay_us(pid);
	t0 = now_us();
	TRY(run(s, RUN_CONTINUE, stop));
	smp->main = now_us() - t0;
	smp->delay = run_delay_us(pid) - smp->delay;
	if (strcmp((*stop)->reason, "gate"))
		return err_new(ERR_CHECK, "continue ended with '%s', not at the gate",
			       (*stop)->reason);

	const Stepdump__Counters *c = (*stop)->counters;

	smp->scan = c->scan_us;
	smp->drain = c->drain_us;
	smp->write = c->memwrite_us;
	smp->pages = c->pages_written;
	return NULL;
}

static struct err *use_session(struct session *s, pid_t pid, const char *dir, struct sample *smp)
{
	char img[4096];
	uint64_t t0 = now_us(), t1;
	Stepdump__Stop *stop = NULL;

	snprintf(img, sizeof(img), "%s/img", dir);
	TRY(opt_parse(session_opts(s), opt_find("dir"), img)); /* staging on the same file system */
	TRY(session_attach(s, pid));
	smp->attach = now_us() - t0;

	struct err *e = run_to_gate(s, pid, smp, &stop);

	stepdump__stop__free_unpacked(stop, NULL);
	stop = NULL;
	t1 = now_us();
	if (!e) {
		e = session_commit(s, img, &stop);
		stepdump__stop__free_unpacked(stop, NULL);
		smp->commit = now_us() - t1;
	}
	e = err_first(e, session_detach(s));
	smp->total = now_us() - t0;
	return e;
}

struct err *sample_stepdump(pid_t pid, const char *dir, struct sample *smp)
{
	struct session *s;

	TRY(session_create(&s));
	struct err *e = use_session(s, pid, dir, smp);

	smp->peak_kib = status_kib(getpid(), "VmHWM:");
	smp->keeper_peak_kib = status_kib(first_child(), "VmHWM:"); /* we have no other */
	return err_first(e, session_destroy(s));
}

/* ---- the machine --------------------------------------------------------------------- */

#define BLOCK (1u << 20)

static struct err *get_memory(uint64_t bytes, char **ret)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_sys(errno, "%llu bytes of memory", (unsigned long long)bytes);
	madvise(p, bytes, MADV_NOHUGEPAGE); /* as the targets have it */
	memset(p, 0x5a, bytes);
	*ret = p;
	return NULL;
}

struct err *sample_write(uint64_t bytes, const char *dir, struct sample *s)
{
	char path[4096], *src;

	TRY(get_memory(bytes, &src));
	snprintf(path, sizeof(path), "%s/img/pages-1.img", dir);

	uint64_t delay = run_delay_us(0), t0 = now_us();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(errno, "create %s", path);
	for (uint64_t done = 0; done < bytes;) {
		uint64_t len = bytes - done < BLOCK ? bytes - done : BLOCK;
		ssize_t n = write(fd, src + done, len);

		if (n <= 0)
			return err_sys(errno, "write %s", path);
		done += (uint64_t)n;
	}
	if (close(fd))
		return err_sys(errno, "close %s", path);
	s->main = now_us() - t0;
	s->delay = run_delay_us(0) - delay;
	s->pages = bytes / PAGE;
	return NULL;
}

struct err *sample_memcpy(uint64_t bytes, struct sample *s)
{
	char *src, *dst;

	TRY(get_memory(bytes, &src));
	TRY(get_memory(bytes, &dst));

	uint64_t delay = run_delay_us(0), t0 = now_us();

	memcpy(dst, src, bytes);
	__asm__ volatile("" : : "r"(dst) : "memory"); /* so that the compiler does not drop it */
	s->main = now_us() - t0;
	s->delay = run_delay_us(0) - delay;
	s->pages = bytes / PAGE;
	return NULL;
}
