/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stepping, running, breakpoints, ^C, restart and abort, over a real frozen child. */
#include <pthread.h>
#include <stdatomic.h>

#include "engine/dump/dump.h"

#include "tests/lib/session_rig.h"

/* ---- step, next, finish ----------------------------------------------------------- */

TEST(steps_follow_the_pipeline, small_target, end_target)
{
	static const bool may[16][16] = {
		[PH(PREPARE)] = { [PH(PMC_FILL)] = true, [PH(GENERATE_IOVS)] = true },
		[PH(PMC_FILL)] = { [PH(GENERATE_IOVS)] = true },
		[PH(GENERATE_IOVS)] = { [PH(PMC_FILL)] = true,
					[PH(DRAIN)] = true,
					[PH(GENERATE_IOVS)] = true },
		[PH(DRAIN)] = { [PH(XFER)] = true },
		[PH(XFER)] = { [PH(GENERATE_IOVS)] = true,
			       [PH(PMC_FILL)] = true,
			       [PH(GATE)] = true },
	};
	phase_t at = PH(PREPARE);
	unsigned drains = 0, fills = 0;

	while (at != PH(GATE)) {
		struct stop stop = run(RUN_STEP, 1, NULL);

		if (!may[at][stop.phase])
			print_error("%s -> %s\n", phase_name(at), phase_name(stop.phase));
		assert_true(may[at][stop.phase]);
		reason_is(stop, stop.phase == PH(GATE) ? "gate" : "phase");
		drains += stop.phase == PH(DRAIN);
		fills += stop.phase == PH(PMC_FILL);
		at = stop.phase;
	}
	assert_true(drains >= 4); /* 128 pages a chunk */
	assert_true(fills >= 10);

	struct stop stop;

	for (int kind = RUN_STEP; kind <= RUN_CONTINUE; kind++)
		fails(run_kind((enum run_kind)kind, 1, NULL, &stop), ERR_STATE, "commit gate");
}

TEST(several_steps_are_one_by_one, small_target, end_target)
{
	struct stop a[8], b;

	for (int i = 0; i < 8; i++)
		a[i] = run(RUN_STEP, 1, NULL);
	ok(session_restart(s));
	b = run(RUN_STEP, 5, NULL);
	assert_int_equal(b.phase, a[4].phase);
	assert_int_equal(b.start, a[4].start);
	b = run(RUN_STEP, 3, NULL);
	assert_int_equal(b.phase, a[7].phase);
	assert_int_equal(b.start, a[7].start);
	b = run(RUN_STEP, 100000, NULL);
	reason_is(b, "gate");
}

TEST(next_is_one_unit, small_target, end_target)
{
	struct snap_request req = { .parts = SNAP_CURSOR };
	uint64_t before = 0;
	struct stop stop;

	do {
		Stepdump__Snapshot *snap;
		uint64_t units = 0;

		stop = next(1);
		ok(snap_take(s, &req, &snap));
		for (size_t i = 0; i < snap->cursor->n_phases; i++)
			units += snap->cursor->phases[i]->units_done;
		stepdump__snapshot__free_unpacked(snap, NULL);
		assert_int_equal(units, before + 1);
		before = units;
		reason_is(stop, stop.phase == PH(GATE) ? "gate" : "unit");
	} while (stop.phase != PH(GATE));
	assert_true(before > 200);

	ok(session_restart(s));
	stop = next((unsigned)before - 1);
	reason_is(stop, "unit");
	assert_int_equal(stop.phase, PH(XFER));
	stop = next(1);
	reason_is(stop, "gate");
}

TEST(finish_ends_a_chunk, small_target, end_target)
{
	struct snap_request req = { .parts = SNAP_PAGE_PIPE };
	unsigned chunks = 0, drains = 0;
	struct stop stop;

	/* the witness: a chunk is drained once */
	while (stop = run(RUN_STEP, 1, NULL), stop.phase != PH(GATE))
		drains += stop.phase == PH(DRAIN);
	assert_true(drains >= 6);
	ok(session_restart(s));
	do {
		Stepdump__Snapshot *snap;

		stop = run(RUN_FINISH, 0, NULL);
		chunks++;
		ok(snap_take(s, &req, &snap));
		assert_int_equal(snap->page_pipe->n_ppbs, 0); /* all of it is out */
		stepdump__snapshot__free_unpacked(snap, NULL);
		if (stop.phase == PH(GATE))
			break;
		reason_is(stop, "chunk");
		assert_int_equal(stop.chunk, chunks + 1);
	} while (chunks < 1000);
	reason_is(stop, "gate");
	assert_int_equal(chunks, drains);
	ok(session_restart(s));
	next(20);
	stop = run(RUN_FINISH, 0, NULL); /* from the middle of the first one */
	assert_int_equal(stop.chunk, 2);
}

/* ---- breakpoints ------------------------------------------------------------------ */

static unsigned brk_at(const char *where, bool temporary)
{
	unsigned number;

	ok(session_break(s, where, temporary, &number));
	return number;
}

static size_t nr_breaks(unsigned *hits_of_first)
{
	struct snap_request req = { .parts = SNAP_BREAKPOINTS };
	Stepdump__Snapshot *snap;

	ok(snap_take(s, &req, &snap));
	size_t nr = snap->n_breakpoints;

	if (hits_of_first)
		*hits_of_first = nr ? snap->breakpoints[0]->hits : 0;
	stepdump__snapshot__free_unpacked(snap, NULL);
	return nr;
}

TEST(a_phase_stops_before_each_time, small_target, end_target)
{
	static const char *const phases[] = { "prepare", "pmc-fill", "generate-iovs", "drain",
					      "xfer" };
	static const phase_t number[] = { PH(PREPARE), PH(PMC_FILL), PH(GENERATE_IOVS), PH(DRAIN),
					  PH(XFER) };

	for (int i = 0; i < 5; i++) {
		unsigned b = brk_at(phases[i], false), stops = 0, hits;
		struct stop stop;

		while (stop = cont(), stop.phase != PH(GATE)) {
			reason_is(stop, "breakpoint");
			assert_int_equal(stop.breakpoint, b);
			assert_int_equal(stop.phase, number[i]);
			assert_true(stops++ < 1000);
		}
		reason_is(stop, "gate");
		assert_int_equal(nr_breaks(&hits), 1);
		assert_int_equal(hits, stops);
		assert_true(i ? stops >= 4 : stops == 1);
		ok(session_delete_break(s, b));
		ok(session_restart(s));
	}
}

TEST(it_does_not_stop_twice_at_one_place, small_target, end_target)
{
	struct stop stop;

	brk_at("drain if ppb == 5", false);
	brk_at("drain", false);
	stop = cont();
	assert_int_equal(stop.breakpoint, 2);
	assert_int_equal(stop.ppb, 0);
	stop = next(1); /* goes on from where it stands */
	reason_is(stop, "unit");
	assert_int_equal(stop.ppb, 1);
	stop = cont();
	assert_int_equal(stop.breakpoint, 1);
	assert_int_equal(stop.ppb, 5);
	stop = run(RUN_STEP, 1, NULL);
	reason_is(stop, "phase");
	assert_int_equal(stop.phase, PH(XFER));
	stop = cont();
	assert_int_equal(stop.phase, PH(DRAIN));
	assert_int_equal(stop.chunk, 2);
	/* after restart the same places count anew */
	ok(session_restart(s));
	stop = cont();
	assert_int_equal(stop.breakpoint, 2);
	assert_int_equal(stop.chunk, 1);
}

TEST(a_temporary_one_stops_once, small_target, end_target)
{
	struct stop stop;

	brk_at("drain", true);
	assert_int_equal(nr_breaks(NULL), 1);
	stop = cont();
	reason_is(stop, "breakpoint");
	assert_int_equal(stop.phase, PH(DRAIN));
	assert_int_equal(nr_breaks(NULL), 0);
	stop = cont();
	reason_is(stop, "gate");
}

TEST(chunks_vmas_addresses_verdicts, small_target, end_target)
{
	char where[64];
	struct stop stop;

	brk_at("chunk 2", true);
	stop = cont();
	reason_is(stop, "breakpoint");
	assert_int_equal(stop.chunk, 2);
	ok(session_restart(s));

	snprintf(where, sizeof(where), "vma %lx", (unsigned long)its.zero);
	brk_at(where, true);
	stop = cont();
	assert_int_equal(stop.phase, PH(PMC_FILL));
	assert_int_equal(stop.start, (uint64_t)its.zero);
	int vma = stop.vma;

	ok(session_restart(s));
	snprintf(where, sizeof(where), "vma %d", vma);
	brk_at(where, true);
	stop = cont();
	assert_int_equal(stop.start, (uint64_t)its.zero);
	ok(session_restart(s));

	snprintf(where, sizeof(where), "%lx", (unsigned long)its.sparse + 20 * PAGE + 5);
	unsigned b = brk_at(where, false);

	stop = cont();
	assert_int_equal(stop.phase, PH(GENERATE_IOVS));
	assert_int_equal(stop.start, (uint64_t)its.sparse + 20 * PAGE);
	stop = cont();
	assert_int_equal(stop.phase, PH(XFER));
	assert_int_equal(stop.start, (uint64_t)its.sparse + 20 * PAGE);
	stop = cont();
	reason_is(stop, "gate");
	ok(session_delete_break(s, b));
	ok(session_restart(s));

	b = brk_at("verdict zero", false);
	bool found = false;

	while (stop = cont(), stop.phase != PH(GATE)) {
		assert_int_equal(stop.verdict, VD(ZERO));
		found |= stop.start == (uint64_t)its.zero &&
			 stop.end == (uint64_t)its.zero + ZERO_PAGES * PAGE;
	}
	if (!found)
		print_message("page frame numbers are hidden, or the zero page was not seen\n");
	assert_true(found || geteuid());
}

TEST(until_leaves_nothing_behind, small_target, end_target)
{
	struct stop stop = run(RUN_UNTIL, 0, "drain if ppb == 3");

	reason_is(stop, "until");
	assert_int_equal(stop.ppb, 3);
	assert_int_equal(nr_breaks(NULL), 0);
	stop = run(RUN_UNTIL, 0, "drain if ppb == 3"); /* the next chunk's */
	assert_int_equal(stop.chunk, 2);
	unsigned b = brk_at("xfer", false);

	stop = run(RUN_UNTIL, 0, "chunk 3"); /* a breakpoint comes first */
	reason_is(stop, "breakpoint");
	assert_int_equal(stop.breakpoint, b);
	assert_int_equal(nr_breaks(NULL), 1);
	ok(session_delete_break(s, 0));
	stop = run(RUN_UNTIL, 0, "chunk 1000");
	reason_is(stop, "gate");
	assert_int_equal(nr_breaks(NULL), 0);
}

TEST(a_place_that_is_not_understood_moves_nothing, small_target, end_target)
{
	char position[32];
	struct stop stop;

	fails(run_kind(RUN_UNTIL, 0, "nowhere", &stop), ERR_USAGE, "nowhere");
	session_position(s, position, sizeof(position));
	assert_string_equal(position, "ready");
	assert_false(session_has_pipeline(s));
}

/* ---- ^C --------------------------------------------------------------------------- */

static atomic_bool run_is_over;
static atomic_uint interrupts_set;

static void *interrupts(void *arg)
{
	while (!run_is_over) {
		session_interrupt(s);
		interrupts_set++;
	}
	return NULL;
}

TEST(an_interrupt_stops_between_two_units, small_target, end_target)
{
	pthread_t t;
	struct stop stop;
	char now[32];

	cont();
	struct staged want = staged_now();

	/* Set again and again, as a run command clears it when it starts; and more than once, since a
	 * busy machine may let the whole run pass before the other thread has its turn. */
	struct err *e = NULL;

	for (unsigned tries = 0; !e && tries < 100; tries++) {
		ok(session_restart(s));
		next(40);
		interrupts_set = 0;
		run_is_over = false;
		MUST(!pthread_create(&t, NULL, interrupts, NULL));
		wait_until(interrupts_set);
		e = run_kind(RUN_NEXT, 1000000, NULL, &stop);
		run_is_over = true;
		MUST(!pthread_join(t, NULL));
	}
	assert_non_null(e);
	assert_non_null(e->hint);
	fails(e, ERR_INTERRUPTED, "between two units");
	reason_is(stop, "interrupted");
	assert_true(session_has_pipeline(s));
	session_position(s, now, sizeof(now));
	assert_true(strcmp(now, "gate"));

	stop = cont(); /* not interrupted any more */
	reason_is(stop, "gate");
	staged_equal(&want, staged_now());
	staged_free(&want);
}

/* ---- restart, abort --------------------------------------------------------------- */

TEST(abort_undoes_everything_from_everywhere, small_target, end_target)
{
	struct bytes before = maps_of_child();
	char position[32];

	for (unsigned units = 1; units < 3000; units += units < 12 ? 1 : 37) {
		struct stop stop = next(units);

		assert_int_equal(entries_in(scratch), stop.phase != PH(PREPARE));
		ok(session_abort(s));
		assert_int_equal(entries_in(scratch), 0);
		assert_false(session_has_pipeline(s));
		session_position(s, position, sizeof(position));
		assert_string_equal(position, "ready");
		struct bytes after = maps_of_child();

		assert_int_equal(before.nr, after.nr);
		assert_memory_equal(before.b, after.b, before.nr);
		free(after.b);
		if (stop.phase == PH(GATE))
			break;
	}
	free(before.b);
}

TEST(restart_goes_back_to_prepare, small_target, end_target)
{
	for (unsigned units = 1; units < 3000; units += units < 12 ? 1 : 61) {
		struct stop stop = next(units);
		char position[32];

		ok(session_restart(s));
		assert_int_equal(entries_in(scratch), 0);
		session_position(s, position, sizeof(position));
		assert_string_equal(position, "prepare");
		assert_false(session_has_pipeline(s)); /* not begun: settings can be changed */
		if (stop.phase == PH(GATE))
			break;
	}
}

TEST(without_a_target_nothing_runs, small_target, end_target)
{
	struct stop stop;

	ok(session_detach(s));
	fails(run_kind(RUN_CONTINUE, 0, NULL, &stop), ERR_STATE, "no target");
	fails(session_restart(s), ERR_STATE, "no target");
	fails(session_abort(s), ERR_STATE, "no target");
	fails(session_detach(s), ERR_STATE, "no target");
	ok(session_attach(s, child));
	stop = cont();
	reason_is(stop, "gate");
}

/* ---- looking ------------------------------------------------------------------------- */

/* A range that ends within a VMA: no more is listed than what is in it. */
TEST(runs_of_a_range_end_with_it, small_target, end_target)
{
	struct snap_request req = { .parts = SNAP_VMAS }, part = { .parts = SNAP_RUNS };
	Stepdump__Snapshot *vmas, *runs;

	ok(snap_take(s, &req, &vmas));
	for (size_t i = 0; i < vmas->n_vmas; i++) {
		const Stepdump__Vma *v = vmas->vmas[i];
		uint64_t pages = 0;

		if (v->end - v->start < 3 * PAGE_BYTES)
			continue;
		part.runs_start = v->start + PAGE_BYTES;
		part.runs_end = v->start + 2 * PAGE_BYTES;
		ok(snap_take(s, &part, &runs));
		for (size_t k = 0; k < runs->n_runs; k++)
			pages += runs->runs[k]->nr_pages;
		assert_int_equal(runs->n_runs, 1);
		assert_int_equal(pages, 1);
		stepdump__snapshot__free_unpacked(runs, NULL);
	}
	stepdump__snapshot__free_unpacked(vmas, NULL);
}

/* ---- enable, disable, ignore ------------------------------------------------------ */

TEST(disabled_and_ignored_breakpoints, small_target, end_target)
{
	unsigned drain, xfer;
	struct stop first, b;

	ok(session_break(s, "drain", false, &drain));
	ok(session_break(s, "xfer", false, &xfer));
	first = cont();
	assert_int_equal(first.breakpoint, drain);
	ok(session_enable_break(s, xfer, false));
	b = cont(); /* over xfer, which is disabled */
	assert_int_equal(b.breakpoint, drain);
	assert_int_equal(b.chunk, first.chunk + 1);
	ok(session_ignore_break(s, drain, 2));
	b = cont();
	assert_int_equal(b.breakpoint, drain);
	assert_int_equal(b.chunk, first.chunk + 4);
	ok(session_enable_break(s, xfer, true));
	b = cont();
	assert_int_equal(b.breakpoint, xfer);
	assert_int_equal(b.chunk, first.chunk + 4);
	ok(session_enable_break(s, 0, false));
	reason_is(cont(), "gate");
	fails(session_enable_break(s, 77, true), ERR_USAGE, "no breakpoint 77");
	fails(session_ignore_break(s, 77, 1), ERR_USAGE, "no breakpoint 77");
}
