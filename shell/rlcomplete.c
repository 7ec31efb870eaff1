/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/rlcomplete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* readline wants stdio first */
#include <readline/readline.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "shell/complete.h"
#include "shell/out.h"

static struct shell *shell;
static struct complist offered; /* what the last Tab found, with descriptions */

/* The longest prefix that all candidates share, but never shorter than what was typed: "attach
 * redis" offers pids, which do not begin with "redis". */
static char *rlcomplete_common(const struct complist *l, const char *typed)
{
	size_t n = strlen(l->v[0].text);

	for (size_t i = 1; i < l->nr; i++) {
		size_t k = 0;

		while (k < n && l->v[i].text[k] == l->v[0].text[k])
			k++;
		n = k;
	}
	if (l->nr > 1 && n < strlen(typed))
		return xstrdup(typed);
	return xstrndup(l->v[0].text, n);
}

static rl_compdisp_func_t *display; /* NULL: the prompt's own */

char *rlcomplete_text(char **matches, size_t nr, int longest)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	if (offered.nr)
		for (size_t i = 0; i < offered.nr; i++)
			fprintf(f, "%-*s  %s\n", longest, offered.v[i].text,
				offered.v[i].desc ?: "");
	else /* files */
		for (size_t i = 1; i <= nr; i++)
			fprintf(f, "%s\n", matches[i]);
	if (fclose(f))
		abort();
	return text;
}

/* One candidate a row, with its description; cut at the height of the screen. */
static void rlcomplete_show(char **matches, int nr, int longest)
{
	AUTO_FREE char *text = rlcomplete_text(matches, (size_t)nr, longest);
	unsigned rows, cols;
	size_t left = offered.nr;

	term_size(&rows, &cols);
	size_t most = rows > 6 ? rows - 4 : 2;
	fputc('\n', rl_outstream);
	for (const char *line = text; *line && most; most--, left--) {
		size_t len = strcspn(line, "\n");

		fprintf(rl_outstream, "%.*s\n", (int)(len < cols ? len : cols - 1), line);
		line += len + 1;
	}
	if (left)
		fprintf(rl_outstream, "... and %zu more\n", left);
	rl_forced_update_display();
}

static bool rlcomplete_is_directory(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && S_ISDIR(st.st_mode);
}

/* names[0] is the prefix of all others; when only one name matches, it is the only element. */
static int rlcomplete_keep_directories(char **names)
{
	int kept = 1;

	if (!names[1] && rlcomplete_is_directory(names[0]))
		return 0;
	for (int i = 1; names[i]; i++) {
		if (rlcomplete_is_directory(names[i]))
			names[kept++] = names[i];
		else
			free(names[i]);
	}
	names[kept] = NULL;
	if (kept == 1) { /* readline: element 0 alone means that nothing matches */
		free(names[0]);
		names[0] = NULL;
	}
	return 0;
}

static bool rlcomplete_goes_on(const char *text)
{
	return *text && text[strlen(text) - 1] == ':';
}

static char **rlcomplete_attempt(const char *text, int start, int end)
{
	bool described = false;

	(void)start;
	complist_deinit(&offered);
	complete_line(shell, rl_line_buffer, (size_t)end, &offered);
	rl_ignore_some_completions_function = offered.dirs ? rlcomplete_keep_directories : NULL;
	rl_attempted_completion_over = !offered.files && !offered.dirs;
	rl_completion_display_matches_hook = display;
	rl_sort_completion_matches = 0; /* own processes first, pipeline order, ... */
	if (!offered.nr)
		return NULL;
	/* "localhost:" goes on. */
	rl_completion_suppress_append = offered.nr == 1 && rlcomplete_goes_on(offered.v[0].text);
	char **m = xcalloc(offered.nr + 2, sizeof(*m));
	if (!m)
		return NULL;
	m[0] = rlcomplete_common(&offered, text);
	for (size_t i = 0; i < offered.nr; i++) {
		if (offered.nr > 1)
			m[i + 1] = xstrdup(offered.v[i].text);
		described = described || offered.v[i].desc;
	}
	if (described && !display)
		rl_completion_display_matches_hook = rlcomplete_show;
	return m;
}

void rlcomplete_display(rl_compdisp_func_t *show)
{
	display = show;
}

/* ^X a, as in gdb: the full-screen views. */
static int rlcomplete_view(int count, int key)
{
	rl_replace_line("view", 1);
	rl_done = 1;
	return rl_newline(1, '\n');
}

void rlcomplete_install(struct shell *sh)
{
	shell = sh;
	rl_readline_name = "stepdump";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_attempted_completion_function = rlcomplete_attempt;
	rl_basic_word_break_characters = " \t|>";
	rl_completer_word_break_characters = " \t|>";
	rl_completer_quote_characters = "'\"";
	rl_filename_quote_characters = " \t|>'\"\\#";
	rl_bind_keyseq("\\C-xa", rlcomplete_view);
	rl_bind_keyseq("\\C-x\\C-a", rlcomplete_view);
	rl_bind_keyseq("\\C-xA", rlcomplete_view);
}
