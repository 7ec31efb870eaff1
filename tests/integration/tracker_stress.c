/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No write is ever missed: a chain of incremental dumps of a wild process, kept here in memory,
 * is compared with its live memory in every round.  A page that the tracker calls clean is taken
 * from the round before, never from the process, so a missed write shows as a difference.
 */
#include <sys/uio.h>

#include "tests/lib/tracker_rig.h"
#include "tests/lib/tracker_victim.h"

#define ROUNDS 500u
#define MAX_MS 30000u
#define MIN_ROUNDS 30u /* however slow the machine is */
#define CHUNK_PAGES 256u

struct shadow {
	struct shadow_page {
		uint64_t addr;
		uint8_t *data; /* owned */
	} * p;
	size_t nr, cap;
};

/* The rule that judges a run of pages: the real one, or one that is wrong on purpose. */
typedef bool judge_fn(const struct tracker *t, const struct vma *v, uint64_t cats);

struct round {
	struct frozen f;
	const struct tracker *t;
	judge_fn *dirty;
	struct shadow old, new;
	size_t at; /* in old */
	uint64_t taken, clean, lost, uncovered, filled, counted;
	bool quiet;
};

static void shadow_add(struct shadow *s, uint64_t addr, uint8_t *data)
{
	if (s->nr == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4096;
		s->p = reallocarray(s->p, s->cap, sizeof(*s->p));
		assert_non_null(s->p);
	}
	s->p[s->nr++] = (struct shadow_page){ addr, data };
}

static void shadow_free(struct shadow *s)
{
	for (size_t i = 0; i < s->nr; i++)
		free(s->p[i].data);
	free(s->p);
	*s = (struct shadow){ 0 };
}

/* Takes the page out of the previous round; NULL: it had none. */
static uint8_t *take_old(struct round *r, uint64_t addr)
{
	while (r->at < r->old.nr && r->old.p[r->at].addr < addr)
		r->at++;
	if (r->at == r->old.nr || r->old.p[r->at].addr != addr)
		return NULL;
	uint8_t *data = r->old.p[r->at].data;

	r->old.p[r->at].data = NULL;
	return data;
}

static void complain(struct round *r, const char *what, const struct vma *v, uint64_t addr,
		     uint64_t cats)
{
	if (!r->quiet && r->lost + r->uncovered <= 20)
		print_error("%s: page %lx of %lx-%lx %s, categories %lx\n", what, addr, v->start,
			    v->end, v->name, cats);
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

static void one_page(struct round *r, const struct vma *v, uint64_t addr, uint64_t cats,
		     const uint8_t *live)
{
	uint8_t *data = take_old(r, addr);

	bool dirty = r->dirty(r->t, v, cats);
	/* khugepaged may have filled a hole with zeros between the scan of the last round and its
	 * reset: such a page has no parent, and is dumped (`set hole-missing dump`). */
	bool filled = !dirty && !data && is_zero(live);

	if (dirty || filled) {
		if (!data)
			data = malloc(PAGE);
		assert_non_null(data);
		memcpy(data, live, PAGE);
		r->taken += dirty;
		r->filled += filled;
	} else if (!data) {
		r->uncovered++;
		complain(r, "clean, but no earlier dump has it", v, addr, cats);
		return;
	} else {
		r->clean++;
		if (memcmp(data, live, PAGE)) {
			r->lost++;
			complain(r, "called clean, but written", v, addr, cats);
			memcpy(data, live, PAGE);
		}
	}
	shadow_add(&r->new, addr, data);
}

static void one_run(void *arg, const struct vma *v, uint64_t start, uint64_t end, uint64_t cats)
{
	static uint8_t live[CHUNK_PAGES * PAGE];
	struct round *r = arg;

	if (!is_data(v, cats))
		return;
	for (uint64_t at = start; at < end;) {
		size_t len = end - at < sizeof(live) ? end - at : sizeof(live);

		assert_int_equal(pread(r->f.task.mem_fd, live, len, (off_t)at), len);
		for (size_t i = 0; i < len; i += PAGE)
			one_page(r, v, at + i, cats, live + i);
		at += len;
	}
}

/* The first dump has no parent. */
static bool real_rule(const struct tracker *t, const struct vma *v, uint64_t cats)
{
	return !tracker_armed(t) || tracker_page_dirty(t, v, cats);
}

/* One run of dirty pages in 40 goes unnoticed. */
static bool forgetful_rule(const struct tracker *t, const struct vma *v, uint64_t cats)
{
	return !tracker_armed(t) || (tracker_page_dirty(t, v, cats) && rnd(40));
}

/* Believes WRITTEN also where nothing is registered: the effect of mremap() on neighbouring
 * mappings (see register_vma() in engine/track/tracker_uffd.c) must show. */
static bool gullible_rule(const struct tracker *t, const struct vma *v, uint64_t cats)
{
	if (!tracker_armed(t) || tracker_untrusted(t, v))
		return true;
	return cats & PAGE_IS_WRITTEN;
}

/* Writes into the victim from outside, while it runs. */
static void write_from_outside(struct target *v)
{
	uint8_t data[5000];
	uint64_t off = rnd(VICTIM_POOL_PAGES * PAGE - sizeof(data));
	struct iovec here = { data, 1 + rnd(sizeof(data)) },
		     there = { (void *)(v->sh->address + off), here.iov_len };

	memset(data, (int)rnd(256), sizeof(data));
	assert_int_equal(process_vm_writev(v->pid, &here, 1, &there, 1, 0), here.iov_len);
}

/* As in a dump: unreadable memory is made readable, by code that runs in the victim. */
static void infect(struct round *r, struct keeper_parasite *par)
{
	struct parasite_vma v[128];
	uint32_t nr = 0;

	for (size_t i = 0; i < r->f.vmas.nr && nr < 128; i++) {
		const struct vma *m = &r->f.vmas.v[i];

		if (vma_is_private(m) && !(m->prot & PROT_READ))
			v[nr++] = (struct parasite_vma){ .start = m->start,
							 .len = m->end - m->start,
							 .prot = m->prot };
	}
	ok(keeper_infect(r->f.k, r->f.task.pid, 128, par));
	if (nr)
		assert_int_equal(change_protection(par, v, nr, PROT_READ).err, 0);
}

static void cure(struct round *r, struct keeper_parasite *par)
{
	close(par->sock);
	ok(keeper_cure(r->f.k, r->f.task.pid));
}

static void play_round(struct round *r, struct keeper *k, struct target *v, const struct caps *c,
		       struct tracker **t, enum opt_track want)
{
	uint64_t until = v->sh->ticks + 1 + rnd(rnd(8) ? 60 : 1500), count_dirty, count_total,
		 again;

	for (unsigned n = (unsigned)rnd(4); n; n--)
		write_from_outside(v);
	wait_until(v->sh->ticks >= until || state_of(v->pid) == 'Z');
	freeze(k, v->pid, &r->f);
	if (!*t)
		*t = track(&r->f, want, c);
	r->t = *t;
	assert_true(tracker_fits(*t, v->pid, r->f.task.start_time_ticks));

	struct keeper_parasite par;
	bool infected = !rnd(3);
	uint64_t taken = r->taken, clean = r->clean + r->uncovered + r->filled;
	bool armed = tracker_armed(*t);

	r->at = 0;
	if (infected)
		infect(r, &par);
	ok(tracker_count(*t, &r->f.vmas, &count_dirty, &count_total));
	for (size_t i = 0; i < r->f.vmas.nr; i++)
		if (vma_is_private(&r->f.vmas.v[i]) && !vma_never_dumped(&r->f.vmas.v[i]) &&
		    !vma_always_dumped(&r->f.vmas.v[i]))
			for_each_run(&r->f, c, *t, i, one_run, r);
	shadow_free(&r->old);
	r->old = r->new;
	r->new = (struct shadow){ 0 };

	/* Counting changes nothing, and it is about the same pages, except for the vdso.
	 * khugepaged does not stop for a freeze: it can make pages dirty, but never clean. */
	taken = r->taken - taken;
	clean = r->clean + r->uncovered + r->filled - clean;
	ok(tracker_count(*t, &r->f.vmas, &again, &count_total));
	assert_true(again >= count_dirty);
	if (r->dirty == real_rule && armed && again == count_dirty) {
		assert_in_range(count_dirty - taken, 0, 4);
		assert_int_equal(count_total - count_dirty, clean);
		r->counted++;
	}
	ok(tracker_reset(*t, &r->f.vmas));
	if (infected)
		cure(r, &par);
	thaw(&r->f);
}

/* Plays rounds until `until_lost` pages were lost, or to the last round.  Returns how many were
 * played. */
static unsigned play(enum opt_track want, judge_fn *rule, const struct caps *c, bool until_lost,
		     struct round *r)
{
	uint64_t deadline = now_ms() + rounds(MAX_MS);
	struct tracker *t = NULL;
	struct keeper *k = NULL;
	unsigned n = 0;

	victim_seed = rnd(UINT64_MAX);
	*r = (struct round){ .dirty = rule, .quiet = rule != real_rule };
	ok(keeper_start(keeper_main, &k));
	struct target v = target_start(run_victim);
	while (n < rounds(ROUNDS) && (now_ms() < deadline || n < MIN_ROUNDS) &&
	       !(until_lost && r->lost)) {
		play_round(r, k, &v, c, &t, want);
		n++;
	}
	tracker_destroy(t);
	target_end(&v);
	ok(keeper_stop(k));
	shadow_free(&r->old);
	printf("%u rounds: %lu pages taken, %lu clean ones compared, %lu lost, %lu uncovered, %lu filled\n",
	       n, r->taken, r->clean, r->lost, r->uncovered, r->filled);
	return n;
}

static void no_write_is_missed(enum opt_track want)
{
	struct round r;
	struct caps c;

	ok(caps_probe(&c));
	if (cannot_track(want, &c))
		skip_because(cannot_track(want, &c));
	unsigned n = play(want, real_rule, &c, false, &r);

	assert_int_equal(r.lost, 0);
	assert_int_equal(r.uncovered, 0);
	assert_in_range(r.filled, 0, 1024);
	assert_true(n >= MIN_ROUNDS);
	/* there was something to be lost */
	assert_true(r.counted > n / 2);
	assert_true(r.taken > n * 20 && r.clean > n * 50);
}

TEST(no_write_is_missed_uffd)
{
	no_write_is_missed(OPT_TRACK_UFFD);
}

TEST(no_write_is_missed_soft_dirty)
{
	no_write_is_missed(OPT_TRACK_SOFT_DIRTY);
}

static void a_loss_is_seen(enum opt_track want, judge_fn *rule)
{
	struct round r;
	struct caps c;

	ok(caps_probe(&c));
	if (cannot_track(want, &c))
		skip_because(cannot_track(want, &c));
	play(want, rule, &c, true, &r);
	assert_true(r.lost > 0);
}

TEST(a_loss_is_seen_uffd)
{
	a_loss_is_seen(OPT_TRACK_UFFD, forgetful_rule);
}

TEST(a_loss_is_seen_soft_dirty)
{
	a_loss_is_seen(OPT_TRACK_SOFT_DIRTY, forgetful_rule);
}

TEST(the_trap_of_mremap_is_met)
{
	a_loss_is_seen(OPT_TRACK_UFFD, gullible_rule);
}
