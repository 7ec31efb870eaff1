/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a pid was reused since the parent was made, on each side of the clock tick of the dump. */
#include "engine/dump/history.h"

#include "tests/lib/test.h"

#define TICK 123456u

static uint64_t us(uint64_t ticks)
{
	return ticks * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

TEST(an_earlier_tick_is_the_same_process)
{
	assert_false(history_pid_reused(TICK - 1, us(TICK), false));
	assert_false(history_pid_reused(TICK - 1, us(TICK), true));
	assert_false(history_pid_reused(0, us(TICK), false));
}

TEST(a_later_tick_is_another_one)
{
	assert_true(history_pid_reused(TICK + 1, us(TICK), false));
	assert_true(history_pid_reused(TICK + 1, us(TICK), true));
}

/* Reused, unless the caller knows that this process was in the dump. */
TEST(in_the_same_tick_it_takes_a_witness)
{
	assert_true(history_pid_reused(TICK, us(TICK), false));
	assert_false(history_pid_reused(TICK, us(TICK), true));
}

/* CRIU writes microseconds of any value. */
TEST(the_dump_is_floored_to_a_tick)
{
	uint64_t end = us(TICK + 1) - 1;

	assert_false(history_pid_reused(TICK - 1, end, false));
	assert_true(history_pid_reused(TICK, end, false));
	assert_false(history_pid_reused(TICK, end, true));
	assert_true(history_pid_reused(TICK + 1, end, true));
}
