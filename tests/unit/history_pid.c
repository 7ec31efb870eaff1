/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a pid was reused since the parent was made, on each side of the clock tick of the dump. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "engine/dump/history.h"

#define TICK 123456u

static uint64_t us(uint64_t ticks)
{
	return ticks * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void test_an_earlier_tick_is_the_same_process(void **state)
{
	assert_false(history_pid_reused(TICK - 1, us(TICK), false));
	assert_false(history_pid_reused(TICK - 1, us(TICK), true));
	assert_false(history_pid_reused(0, us(TICK), false));
}

static void test_a_later_tick_is_another_one(void **state)
{
	assert_true(history_pid_reused(TICK + 1, us(TICK), false));
	assert_true(history_pid_reused(TICK + 1, us(TICK), true));
}

/* Who does not know dumps all of it; who dumped it knows. */
static void test_in_the_same_tick_it_takes_a_witness(void **state)
{
	assert_true(history_pid_reused(TICK, us(TICK), false));
	assert_false(history_pid_reused(TICK, us(TICK), true));
}

/* CRIU writes microseconds of any value. */
static void test_the_dump_is_floored_to_a_tick(void **state)
{
	uint64_t end = us(TICK + 1) - 1;

	assert_false(history_pid_reused(TICK - 1, end, false));
	assert_true(history_pid_reused(TICK, end, false));
	assert_false(history_pid_reused(TICK, end, true));
	assert_true(history_pid_reused(TICK + 1, end, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_earlier_tick_is_the_same_process),
		cmocka_unit_test(test_a_later_tick_is_another_one),
		cmocka_unit_test(test_in_the_same_tick_it_takes_a_witness),
		cmocka_unit_test(test_the_dump_is_floored_to_a_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
