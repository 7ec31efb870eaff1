/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Going back: wherever it ends, everything is as the straight run had it there. */
#include "engine/dump/dump.h"

#include "base/mem.h"
#include "proto/json.h"
#include "tests/lib/session_rig.h"

/* All that is known, without times and the random name of the staging directory; heap. */
static char *state(void)
{
	const struct snap_request req = { .parts = SNAP_TARGET | SNAP_CURSOR | SNAP_PMC |
						   SNAP_PMC_REGIONS | SNAP_PAGE_PIPE | SNAP_IOVS |
						   SNAP_HOLES | SNAP_XFER | SNAP_RUNS |
						   SNAP_COUNTERS | SNAP_VMAS | SNAP_SHMEM };
	Stepdump__Snapshot *snap = NULL;

	ok(snap_take(s, &req, &snap));
	snap->has_taken_us = snap->target->has_frozen_us = false;

	Stepdump__Counters *c = snap->counters;

	c->has_freezing_us = c->has_frozen_us = c->has_memdump_us = c->has_memwrite_us = false;
	c->has_scan_us = c->has_drain_us = c->has_total_us = false;
	for (size_t i = 0; snap->page_pipe && i < snap->page_pipe->n_ppbs; i++)
		snap->page_pipe->ppbs[i]->has_drain_us = false;
	/* How long it took is in the words. */
	if (snap->cursor->last) {
		free(snap->cursor->last->text);
		snap->cursor->last->text = NULL;
	}
	if (snap->xfer) {
		free(snap->xfer->staging);
		snap->xfer->staging = NULL;
		snap->xfer->has_fs_free_bytes = false;
	}

	json_object *j = pb_to_json(&snap->base);
	char *text = xstrdup(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY));

	json_object_put(j);
	stepdump__snapshot__free_unpacked(snap, NULL);
	return text;
}

static void states_are_equal(const char *got, const char *want, unsigned unit)
{
	size_t i = 0;

	if (!strcmp(got, want))
		return;
	while (got[i] == want[i])
		i++;
	i = i > 60 ? i - 60 : 0;
	fail_msg("unit %u:\n%.120s\nwas\n%.120s", unit, got + i, want + i);
}

#define MAX_UNITS 5000

static char *straight[MAX_UNITS];
static phase_t phase_at[MAX_UNITS];
static unsigned nr_units; /* up to the gate */

/* One whole run, unit by unit. */
static void run_straight(void)
{
	struct stop stop = { .phase = PH(READY) };

	for (nr_units = 0; stop.phase != PH(GATE); nr_units++) {
		assert_in_range(nr_units, 0, MAX_UNITS - 2);
		if (nr_units)
			straight[nr_units] = state();
		phase_at[nr_units] = stop.phase;
		stop = next(1);
	}
	straight[nr_units] = state();
	phase_at[nr_units] = PH(GATE);
	assert_int_equal(session_units(s), nr_units);
	assert_true(nr_units > 200);
}

static void forget_straight(void)
{
	for (unsigned i = 0; i <= nr_units; i++) {
		free(straight[i]);
		straight[i] = NULL;
	}
}

static void as_straight(unsigned unit)
{
	char *now = state();

	states_are_equal(now, straight[unit], unit);
	free(now);
}

static struct stop to_unit(unsigned unit)
{
	const struct run_request req = { .kind = RUN_GOTO, .unit = unit };
	Stepdump__Stop *stop;
	struct stop ret = { .phase = PH(READY) };

	ok(session_run(s, &req, &stop));
	assert_string_equal(stop->reason, "back");
	ret.phase = stop->cursor->phase;
	assert_int_equal(stop->cursor->unit, session_units(s));
	stepdump__stop__free_unpacked(stop, NULL);
	return ret;
}

TEST(any_unit_back_and_forth, small_target, end_target)
{
	run_straight();
	for (unsigned round = 0; round < 12; round++) {
		unsigned unit = 1 + (unsigned)rnd(nr_units);

		to_unit(unit);
		as_straight(unit);
		if (unit > 3) {
			run(RUN_BACK, 2, NULL);
			as_straight(unit - 2);
			next(1);
			as_straight(unit - 1);
		}
	}
	to_unit(1000000);
	as_straight(nr_units);
	run(RUN_BACK, 1, NULL);
	as_straight(nr_units - 1);
	assert_int_equal(to_unit(0).phase, PH(PREPARE));
	assert_int_equal(session_units(s), 0);
	struct stop stop;

	fails(run_kind(RUN_BACK, 1, NULL, &stop), ERR_STATE, "beginning");
	forget_straight();
}

/* From where units were done in bulk: the number is found first. */
TEST(back_from_bulk, small_target, end_target)
{
	run_straight();
	ok(session_restart(s));
	cont(); /* to the gate */
	run(RUN_BACK, 1, NULL);
	as_straight(nr_units - 1);
	for (unsigned n = 1; n < 8; n++) {
		ok(session_restart(s));
		struct stop there = run(RUN_STEP, n * 3, NULL);

		run(RUN_BACK, 1, NULL);
		assert_true(session_units(s) > 0);
		as_straight((unsigned)session_units(s));
		struct stop again = next(1);

		assert_int_equal(again.phase, there.phase);
		assert_int_equal(again.chunk, there.chunk);
		assert_int_equal(again.start, there.start);
		as_straight((unsigned)session_units(s));
	}
	forget_straight();
}

TEST(reverse_step_is_the_opposite_of_step, small_target, end_target)
{
	struct stop a[12];

	for (int i = 0; i < 12; i++)
		a[i] = run(RUN_STEP, 1, NULL);
	for (int i = 10; i >= 0; i--) {
		struct stop b = run(RUN_REVERSE_STEP, 1, NULL);

		assert_int_equal(b.phase, a[i].phase);
		assert_int_equal(b.start, a[i].start);
		assert_int_equal(b.chunk, a[i].chunk);
	}
	run(RUN_REVERSE_STEP, 1, NULL);
	assert_int_equal(session_units(s), 0);
}

TEST(reverse_continue_stops_at_breakpoints, small_target, end_target)
{
	unsigned number;
	struct stop first, second, b;

	ok(session_break(s, "drain", false, &number));
	first = cont();
	second = cont();
	assert_int_equal(second.phase, PH(DRAIN));
	assert_true(second.chunk > first.chunk);
	next(2);
	b = run(RUN_REVERSE_CONTINUE, 0, NULL);
	assert_int_equal(b.breakpoint, number);
	assert_int_equal(b.chunk, second.chunk);
	b = run(RUN_REVERSE_CONTINUE, 0, NULL);
	assert_int_equal(b.breakpoint, number);
	assert_int_equal(b.chunk, first.chunk);
	/* It stands on the breakpoint and goes on from there. */
	b = cont();
	assert_int_equal(b.chunk, second.chunk);
	run(RUN_REVERSE_CONTINUE, 2, NULL);
	assert_int_equal(session_units(s), 0);
}

TEST(no_way_back_behind_the_gate, small_target, end_target)
{
	Stepdump__Stop *committed;
	struct stop stop;

	cont();
	run(RUN_BACK, 3, NULL);
	ok(session_commit(s, NULL, &committed));
	stepdump__stop__free_unpacked(committed, NULL);
	fails(run_kind(RUN_BACK, 1, NULL, &stop), ERR_STATE, "no way back");
	fails(run_kind(RUN_REVERSE_CONTINUE, 1, NULL, &stop), ERR_STATE, "no way back");
}
