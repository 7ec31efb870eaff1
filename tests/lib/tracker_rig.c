/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/tracker_rig.h"

struct caps caps;
uint8_t *mem;

struct page_question {
	const struct tracker *t;
	uint64_t addr;
	char answer;
};

void freeze(struct keeper *k, pid_t pid, struct frozen *f)
{
	f->k = k;
	ok(keeper_seize(k, pid, &f->task));
	ok(proc_read_vmas(pid, &f->vmas));
	ok(pagemap_open(pid, &f->pagemap_fd));
}

void thaw(struct frozen *f)
{
	close(f->pagemap_fd);
	ok(keeper_release(f->k, f->task.pid));
	keeper_task_deinit(&f->task);
	vma_list_deinit(&f->vmas);
}

struct tracker *track(struct frozen *f, enum opt_track want, const struct caps *c)
{
	struct tracker *t = NULL;

	ok(tracker_create(want, f->k, f->task.pid, f->task.start_time_ticks, c, &t));
	return t;
}

bool is_data(const struct vma *v, uint64_t cats)
{
	return vma_is_private(v) && !vma_never_dumped(v) &&
	       (cats & (PAGE_IS_PRESENT | PAGE_IS_SWAPPED)) &&
	       !(cats & (PAGE_IS_PFNZERO | PAGE_IS_FILE | PAGE_IS_GUARD));
}

void for_each_run(struct frozen *f, const struct caps *c, const struct tracker *t, size_t i,
		  void (*fn)(void *arg, const struct vma *v, uint64_t start, uint64_t end,
			     uint64_t cats),
		  void *arg)
{
	const struct vma *v = &f->vmas.v[i];
	struct pmc pmc;
	bool hit;

	ok(pmc_init(&pmc, f->pagemap_fd, c, PMC_AUTO, false));
	pmc.extra = tracker_categories(t);
	for (uint64_t at = v->start; at < v->end;) {
		ok(pmc_get_map(&pmc, &f->vmas, i, at, &hit));
		while (at < v->end && at < pmc.end) {
			uint64_t end, cats = pmc_run(&pmc, at, v->end, &end);

			fn(arg, v, at, end, cats);
			at = end;
		}
	}
	pmc_deinit(&pmc);
}

static void answer_page(void *arg, const struct vma *v, uint64_t start, uint64_t end, uint64_t cats)
{
	struct page_question *q = arg;

	if (q->addr < start || q->addr >= end)
		return;
	if (!is_data(v, cats))
		q->answer = '-';
	else
		q->answer = tracker_page_dirty(q->t, v, cats) ? 'd' : 'c';
}

char page_state(struct frozen *f, const struct caps *c, const struct tracker *t, uint64_t addr)
{
	struct page_question q = { .t = t, .addr = addr };
	ssize_t i = vma_list_find(&f->vmas, addr);

	assert_true(i >= 0);
	for_each_run(f, c, t, (size_t)i, answer_page, &q);
	return q.answer;
}

const char *page_states(struct frozen *f, const struct caps *c, const struct tracker *t,
			uint64_t addr, size_t nr)
{
	static char buf[256];

	assert_true(nr < sizeof(buf));
	for (size_t i = 0; i < nr; i++)
		buf[i] = page_state(f, c, t, addr + i * PAGE);
	buf[nr] = 0;
	return buf;
}

const char *cannot_track(enum opt_track want, const struct caps *c)
{
	if (want == OPT_TRACK_SOFT_DIRTY)
		return c->soft_dirty ? NULL : "this kernel has no soft-dirty bits";
	return c->uffd_wp_async ? NULL : "no asynchronous write-protection by userfaultfd here";
}

void obey(struct shared *sh, void (*do_it)(struct shared *sh, int step))
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

void tell(struct target *t, int step)
{
	t->sh->go = step;
	wait_until(t->sh->done == step || state_of(t->pid) == 'Z');
}

uint8_t *map_rw(size_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void plain_set_up(struct shared *sh)
{
	mem = map_rw(NR + 2) + PAGE;
	munmap(mem - PAGE, PAGE);
	munmap(mem + NR * PAGE, PAGE);
	memset(mem, 1, NR * PAGE);
	sh->address = (uintptr_t)mem;
}

void do_plain(struct shared *sh, int step)
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

void run_plain(struct shared *sh)
{
	plain_set_up(sh);
	obey(sh, do_plain);
}

void reset_and_thaw(struct tracker *t, struct frozen *f)
{
	ok(tracker_reset(t, &f->vmas));
	assert_true(tracker_armed(t));
	thaw(f);
}

int tracker_up(void **state)
{
	ok(caps_probe(&caps));
	return keeper_up(state);
}
