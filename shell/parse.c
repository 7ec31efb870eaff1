/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *line_skip_blanks(const char *text)
{
	while (is_blank(*text))
		text++;
	return text;
}

size_t line_command_len(const char *text)
{
	if (*text == '!')
		return 1;
	return *text == '#' || *text == '>' ? 0 : strcspn(text, " \t\r\n|");
}

void line_deinit(struct line *l)
{
	for (unsigned i = 0; i < l->argc; i++)
		free(l->argv[i]);
	free(l->argv);
	free(l->pipe);
	free(l->file);
	memset(l, 0, sizeof(*l));
}

static void line_add_word(struct line *l, char *word)
{
	l->argv = xreallocarray(l->argv, l->argc + 2, sizeof(*l->argv));
	l->argv[l->argc++] = word;
	l->argv[l->argc] = NULL;
}

/* Reads one word that begins at *p; *p then points behind it.  `end` bounds the text.  A quote that
 * is still open is an error, or with `partial` simply the end of the word. */
static struct err *line_read_word(const char **p, const char *end, bool partial, char **ret)
{
	const char *s = *p;
	char quote = 0;
	AUTO_FREE char *word = xzalloc((size_t)(end - s) + 1); /* quoting never makes text longer */
	size_t n = 0;

	for (; s < end; s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (*s == '\\' && quote != '\'' && s + 1 < end &&
			   (!quote || s[1] == '"' || s[1] == '\\')) {
			word[n++] = *++s;
		} else if (quote) {
			word[n++] = *s;
		} else if (*s == '\'' || *s == '"') {
			quote = *s;
		} else if (is_blank(*s) || *s == '|') {
			break;
		} else {
			word[n++] = *s;
		}
	}
	if (quote && !partial)
		return err_new(ERR_USAGE, "quote %c is not closed", quote);
	word[n] = '\0';
	*p = s;
	*ret = TAKE_PTR(word);
	return NULL;
}

/* The rest of the line behind "|": blanks around it removed. */
static struct err *line_read_pipe(const char *p, const char *end, struct line *l)
{
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	if (p < end && *p == '|')
		return err_hint(err_new(ERR_USAGE, "|| is not an operator"),
				"`| COMMAND` gives the output to a command of the shell");
	if (p == end)
		return err_new(ERR_USAGE, "no command after |");
	l->pipe = xstrndup(p, (size_t)(end - p));
	return NULL;
}

/* Is the word at `p`, after a ">", a number?  Then the ">" is a comparison. */
static bool line_is_compared(const char *p, const char *end)
{
	while (p < end && (is_blank(*p) || *p == '>' || *p == '='))
		p++;
	size_t digits = strspn(p, "0123456789");

	p += digits;
	return digits && (p >= end || is_blank(*p) || strchr("&|#>)", *p));
}

/* Where an expression may stand, a file to write to is a path with a / in it: all else is an operand. */
static bool line_is_path(const char *p, const char *end)
{
	while (p < end && (is_blank(*p) || *p == '>'))
		p++;
	if (p < end && *p >= '0' && *p <= '9')
		return false; /* 4/2 */
	while (p < end && !is_blank(*p) && *p != '/')
		p++;
	return p < end && *p == '/';
}

static struct err *line_read_file(const char *p, const char *end, struct line *l)
{
	if (p < end && *p == '>') {
		l->append = true;
		p++;
	}
	while (p < end && is_blank(*p))
		p++;
	if (p == end || *p == '|' || *p == '>')
		return err_new(ERR_USAGE, "no file name after >");
	TRY(line_read_word(&p, end, false, &l->file));
	while (p < end && is_blank(*p))
		p++;
	if (p < end && *p != '#')
		return err_new(ERR_USAGE, "text after the file name of >");
	return l->file[0] ? NULL : err_new(ERR_USAGE, "no file name after >");
}

/* How many parentheses are open after it. */
static int word_depth(const char *word, int depth)
{
	for (; *word; word++)
		depth += (*word == '(') - (*word == ')');
	return depth;
}

static struct err *line_parse_words(const char *p, const char *end, bool conditions, struct line *l)
{
	int depth = 0;

	for (;;) {
		char *word;

		while (p < end && is_blank(*p))
			p++;
		if (p == end || *p == '#')
			return NULL;
		if (conditions && *p == '|' && (depth > 0 || (p + 1 < end && p[1] == '|'))) {
			size_t len = p + 1 < end && p[1] == '|' ? 2 : 1;

			line_add_word(l, xstrndup(p, len));
			p += len;
			continue;
		}
		if (*p == '|')
			return line_read_pipe(p + 1, end, l);
		if (*p == '>' && depth <= 0 &&
		    (conditions ? line_is_path(p + 1, end) : !line_is_compared(p + 1, end)))
			return line_read_file(p + 1, end, l);
		if (*p == '>' && !conditions)
			return err_hint(err_new(ERR_USAGE, "a number after >, not a file"),
					"`> ./2` writes to a file of that name");
		TRY(line_read_word(&p, end, false, &word));
		depth = conditions ? word_depth(word, depth) : 0;
		line_add_word(l, word);
	}
}

struct err *line_parse(const char *text, bool conditions, struct line *ret)
{
	struct line l = { 0 };
	struct err *e = line_parse_words(text, text + strlen(text), conditions, &l);

	if (e) {
		line_deinit(&l);
		return e;
	}
	*ret = l;
	return NULL;
}

void line_split_partial(const char *text, size_t len, struct line *ret, bool *in_tail_ret)
{
	const char *p = text, *end = text + len;
	struct line l = { 0 };
	bool tail = false;

	while (!tail) {
		char *word = NULL;

		while (p < end && is_blank(*p))
			p++;
		tail = p < end && (*p == '|' || *p == '>' || *p == '#');
		if (tail)
			break;
		err_free(line_read_word(&p, end, true, &word)); /* partial: none */
		line_add_word(&l, word);
		if (p == end)
			break;
	}
	*ret = l;
	*in_tail_ret = tail;
}

void line_add_quoted(char **line, const char *word)
{
	size_t have = strlen(*line), quotes = 0;

	for (const char *p = word; *p; p++)
		quotes += *p == '\'';
	*line = xreallocarray(*line, have + strlen(word) + 3 * quotes + 4, 1);

	char *s = stpcpy(*line + have, " '");

	for (const char *p = word; *p; p++) {
		if (*p == '\'') /* close, escaped quote, open again */
			s = stpcpy(s, "'\\''");
		else
			*s++ = *p;
	}
	strcpy(s, "'");
}
