/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A target that does what it is told to 16 pages of its memory, and one keeper for all tests. */
#ifndef STEPDUMP_TEST_TRACKER_PLAIN_H
#define STEPDUMP_TEST_TRACKER_PLAIN_H

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "engine/keeper/keeper_main.h"

#include "tracker_rig.h"

static struct caps caps;
static struct keeper *keeper;

#define NR 16u /* pages of the ordinary target */

#define need(want)                                                                                 \
	do {                                                                                       \
		if (cannot_track(want, &caps))                                                     \
			skip_because(cannot_track(want, &caps));                                   \
	} while (0)

/* Runs do_it(step) for each step that it is told, in turn. */
__attribute__((unused)) static void obey(struct shared *sh,
					 void (*do_it)(struct shared *sh, int step))
{
	signal(SIGSEGV, SIG_DFL);
	sh->ready = 1;
	for (;;) {
		while (sh->go == sh->done)
			poll(NULL, 0, 1);
		do_it(sh, sh->go);
		sh->done = sh->go;
	}
}

__attribute__((unused)) static void tell(struct target *t, int step)
{
	t->sh->go = step;
	wait_until(t->sh->done == step || state_of(t->pid) == 'Z');
}

static uint8_t *mem;

__attribute__((unused)) static uint8_t *map_rw(size_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Apart from other memory, and touched. */
__attribute__((unused)) static void set_up(struct shared *sh)
{
	mem = map_rw(NR + 2) + PAGE;
	munmap(mem - PAGE, PAGE);
	munmap(mem + NR * PAGE, PAGE);
	memset(mem, 1, NR * PAGE);
	sh->address = (uintptr_t)mem;
}

enum { STORE_3 = 1, READ_5_TO_7, STORE_ALL, UNMAP_MAP_4, DONTNEED_2, LOAD_ALL, OPEN_RIVAL };

__attribute__((unused)) static void do_plain(struct shared *sh, int step)
{
	switch (step) {
	case STORE_3:
		mem[3 * PAGE + 17]++;
		break;
	case READ_5_TO_7: {
		int fd = open("/dev/urandom", O_RDONLY);

		if (read(fd, mem + 5 * PAGE + 100, 2 * PAGE) != 2 * PAGE)
			sh->bad = 1;
		close(fd);
		break;
	}
	case STORE_ALL:
		for (size_t i = 0; i < NR; i++)
			mem[i * PAGE]++;
		break;
	case UNMAP_MAP_4:
		munmap(mem + 4 * PAGE, PAGE);
		mmap(mem + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mem[4 * PAGE] = 9;
		break;
	case DONTNEED_2:
		madvise(mem + 2 * PAGE, PAGE, MADV_DONTNEED);
		break;
	case LOAD_ALL:
		for (size_t i = 0; i < NR; i++)
			(void)*(volatile uint8_t *)(mem + i * PAGE);
		break;
	case OPEN_RIVAL: {
		struct uffdio_api api = { .api = UFFD_API, .features = 1ull << 15 };
		int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

		if (ioctl(fd, UFFDIO_API, &api))
			sh->bad = 1;
		break;
	}
	}
}

__attribute__((unused)) static void run_plain(struct shared *sh)
{
	set_up(sh);
	obey(sh, do_plain);
}

__attribute__((unused)) static void reset_and_thaw(struct tracker *t, struct frozen *f)
{
	assert_ok(tracker_reset(t, &f->vmas));
	assert_true(tracker_armed(t));
	thaw(f);
}

__attribute__((unused)) static int set_up_all(void **state)
{
	assert_ok(caps_probe(&caps));
	assert_ok(keeper_start(keeper_main, &keeper));
	return 0;
}

__attribute__((unused)) static int tear_down_all(void **state)
{
	assert_ok(keeper_stop(keeper));
	return 0;
}

#endif
