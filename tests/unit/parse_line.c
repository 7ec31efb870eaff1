/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line: words, quotes, pipes and files; a mistake is an error, never guessed. */
#include "shell/parse.h"

#include "tests/lib/test.h"

/* Words joined by "|", then ">file", ">>file" or "|command"; or the error's text behind "!". */
static char *show_line(const char *text, bool conditions)
{
	static char buf[512];
	struct line l;
	struct err *e = line_parse(text, conditions, &l);

	if (e) {
		snprintf(buf, sizeof(buf), "!%s", e->msg);
		assert_int_equal(e->code, ERR_USAGE);
		err_free(e);
		return buf;
	}
	buf[0] = '\0';
	for (unsigned i = 0; i < l.argc; i++) {
		strcat(buf, "<");
		strcat(buf, l.argv[i]);
		strcat(buf, ">");
	}
	if (l.argc)
		assert_null(l.argv[l.argc]);
	if (l.pipe)
		strcat(strcat(buf, " pipe "), l.pipe);
	if (l.file)
		strcat(strcat(buf, l.append ? " append " : " file "), l.file);
	line_deinit(&l);
	assert_int_equal(l.argc, 0);
	return buf;
}

static char *show(const char *text)
{
	return show_line(text, false);
}

TEST(words_and_quotes)
{
	assert_string_equal(show(""), "");
	assert_string_equal(show("   \t "), "");
	assert_string_equal(show(" show  ppb\t5 "), "<show><ppb><5>");
	assert_string_equal(show("echo 'a  b'"), "<echo><a  b>");
	assert_string_equal(show("echo \"a 'b' \\\" \\\\ \\n\""), "<echo><a 'b' \" \\ \\n>");
	assert_string_equal(show("echo 'a\\'b"), "<echo><a\\b>");
	assert_string_equal(show("echo a\\ b \\| \\>"), "<echo><a b><|><>>");
	assert_string_equal(show("echo ''"), "<echo><>");
	assert_string_equal(show("echo pre'mid'\"post\""), "<echo><premidpost>");
	assert_string_equal(show("echo a\\"), "<echo><a\\>");
}

TEST(comments)
{
	assert_string_equal(show("# all of it"), "");
	assert_string_equal(show("next 2 # two"), "<next><2>");
	assert_string_equal(show("echo a#b '#'"), "<echo><a#b><#>");
}

TEST(pipes_and_files)
{
	assert_string_equal(show("show iovs | grep 'a|b' > c # d"),
			    "<show><iovs> pipe grep 'a|b' > c # d");
	assert_string_equal(show("show iovs|wc"), "<show><iovs> pipe wc");
	assert_string_equal(show("show vmas > f"), "<show><vmas> file f");
	assert_string_equal(show("show vmas >f"), "<show><vmas> file f");
	assert_string_equal(show("show vmas >2024.log"), "<show><vmas> file 2024.log");
	assert_string_equal(show("show vmas > ./2"), "<show><vmas> file ./2");
	assert_string_equal(show("show vmas>f"), "<show><vmas>f>"); /* no blank: no file is lost */
	assert_string_equal(show("show vmas >> 'my file' # c"), "<show><vmas> append my file");
	assert_string_equal(show("echo 'a > b' \"| c\""), "<echo><a > b><| c>");
}

TEST(comparisons)
{
	assert_string_equal(show_line("b drain if ppb > 2", true), "<b><drain><if><ppb><>><2>");
	assert_string_equal(show_line("b drain if ppb >2", true), "<b><drain><if><ppb><>2>");
	assert_string_equal(show_line("b drain if ppb>2", true), "<b><drain><if><ppb>2>");
	assert_string_equal(show_line("b drain if ppb >= 2", true), "<b><drain><if><ppb><>=><2>");
	assert_string_equal(show_line("b drain if ppb > 2&&vma < 1", true),
			    "<b><drain><if><ppb><>><2&&vma><<><1>");
	assert_string_equal(show_line("u drain if ppb > 2 > ./log", true),
			    "<u><drain><if><ppb><>><2> file ./log");
	assert_string_equal(show_line("u drain if ppb > 2 >> /tmp/2.log", true),
			    "<u><drain><if><ppb><>><2> append /tmp/2.log");
	/* A name is an operand: no file is written over. */
	assert_string_equal(show_line("b drain if ppb > chunk", true),
			    "<b><drain><if><ppb><>><chunk>");
	assert_string_equal(show_line("p pmc.hits > pmc.misses", true),
			    "<p><pmc.hits><>><pmc.misses>");
	assert_string_equal(show_line("p hits > 4/2", true), "<p><hits><>><4/2>");
	assert_string_equal(show_line("p hits >> 1", true), "<p><hits><>>><1>");
	assert_string_equal(show_line("p (hits | 1) > 0x2 | cat", true),
			    "<p><(hits><|><1)><>><0x2> pipe cat");
	assert_string_equal(show_line("p hits | cat", true), "<p><hits> pipe cat");
	assert_string_equal(show_line("b 'drain if ppb > 2'", true), "<b><drain if ppb > 2>");
	assert_string_equal(show("show ppb > 2"), "!a number after >, not a file");
	assert_string_equal(show("show ppb >> 2 # c"), "!a number after >, not a file");
	assert_string_equal(show_line("b drain if ppb > 2 || vma == 1", true),
			    "<b><drain><if><ppb><>><2><||><vma><==><1>");
	assert_string_equal(show("show ppb || echo"), "!|| is not an operator");
}

TEST(what_is_wrong)
{
	assert_string_equal(show("echo 'a"), "!quote ' is not closed");
	assert_string_equal(show("echo \"a\\\""), "!quote \" is not closed");
	assert_string_equal(show("show iovs |  "), "!no command after |");
	assert_string_equal(show("show iovs >"), "!no file name after >");
	assert_string_equal(show("show iovs > >"), "!no file name after >");
	assert_string_equal(show("show iovs > ''"), "!no file name after >");
	assert_string_equal(show("show iovs > a b"), "!text after the file name of >");
	assert_string_equal(show("show iovs > a | b"), "!text after the file name of >");
}

TEST(command_word)
{
	assert_int_equal(line_command_len("show x"), 4);
	assert_int_equal(line_command_len("x/4w $sp"), 4);
	assert_int_equal(line_command_len("!ls"), 1);
	assert_int_equal(line_command_len("vmas|grep"), 4);
	assert_int_equal(line_command_len("# no"), 0);
	assert_int_equal(line_command_len(""), 0);
}

TEST(quoted_words_come_back)
{
	static const char *const words[] = { "plain", "", "it's", "a b|c>d#e\\", "\"", "''" };
	enum { NR = ARRAY_SIZE(words) };
	char *text = strdup("run");
	struct line l;

	for (int i = 0; i < NR; i++)
		line_add_quoted(&text, words[i]);
	ok(line_parse(text, false, &l));
	assert_int_equal(l.argc, NR + 1);
	for (int i = 0; i < NR; i++)
		assert_string_equal(l.argv[i + 1], words[i]);
	line_deinit(&l);
	free(text);
}

TEST(word_under_the_cursor)
{
	struct line l;
	bool tail;

	line_split_partial("show pp", 7, &l, &tail);
	assert_int_equal(l.argc, 2);
	assert_string_equal(l.argv[1], "pp");
	assert_false(tail);
	line_deinit(&l);
	line_split_partial("show pp", 5, &l, &tail);
	assert_int_equal(l.argc, 2);
	assert_string_equal(l.argv[1], "");
	line_deinit(&l);
	line_split_partial("", 0, &l, &tail);
	assert_int_equal(l.argc, 1);
	assert_string_equal(l.argv[0], "");
	line_deinit(&l);
	line_split_partial("show 'a b", 9, &l, &tail);
	assert_string_equal(l.argv[1], "a b");
	line_deinit(&l);
	line_split_partial("show x | gre", 12, &l, &tail);
	assert_true(tail);
	line_deinit(&l);
}
