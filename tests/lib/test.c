/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#define TESTS_MAX 64

static struct CMUnitTest tests[TESTS_MAX];
static size_t nr_tests;
static CMFixtureFunction group_setup, group_teardown;

void test_register(const char *name, CMUnitTestFunction test, const CMFixtureFunction fixture[2])
{
	if (nr_tests == TESTS_MAX)
		abort();
	tests[nr_tests++] = (struct CMUnitTest){ name, test, fixture[0], fixture[1], NULL };
}

void test_register_group(CMFixtureFunction setup, CMFixtureFunction teardown)
{
	group_setup = setup;
	group_teardown = teardown;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(program_invocation_short_name, tests, nr_tests, group_setup,
				       group_teardown);
}

void ok_at(struct err *e, const char *what, const char *file, int line)
{
	if (!e)
		return;
	char *text = err_text(e);

	print_error("%s:%d: %s: %s%s%s\n", file, line, what, text ? text : e->msg,
		    e->hint ? "; " : "", e->hint ? e->hint : "");
	free(text);
	err_free(e);
	_fail(file, line);
}

void fails_at(struct err *e, const char *what, enum err_code code, const char *text,
	      const char *file, int line)
{
	if (!e) {
		print_error("%s:%d: %s: no error, wanted \"%s\"\n", file, line, what, text);
		_fail(file, line);
		return;
	}
	char *whole = err_text(e);

	assert_non_null(whole);
	if (e->code != code || (!strstr(whole, text) && !(e->hint && strstr(e->hint, text)))) {
		print_error("%s:%d: %s: %s error \"%s\", hint \"%s\", wanted %s \"%s\"\n", file,
			    line, what, err_code_name(e->code), whole, e->hint ? e->hint : "",
			    err_code_name(code), text);
		_fail(file, line);
	}
	free(whole);
	err_free(e);
}

int patience_ms(void)
{
	const char *seconds = getenv("SD_PATIENCE");

	return seconds ? atoi(seconds) * 1000 : 20000;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void wait_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&t, &t))
		;
}

bool read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	size_t have = 0;
	ssize_t n;
	while (have < len - 1 && (n = read(fd, buf + have, len - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	buf[have] = 0;
	return have > 0;
}
