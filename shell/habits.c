/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/habits.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/vec.h"
#include "shell/parse.h"
#include "shell/report.h"
#include "shell/shell.h"

/* ---- blocks --------------------------------------------------------------------------------- */

struct habit_block *habit_block(struct habits *h, const char *name, bool make)
{
	for (size_t i = 0; i < h->nr_blocks; i++)
		if (!strcmp(h->block[i].name, name))
			return &h->block[i];
	if (!make)
		return NULL;

	struct habit_block *b = vec_push(h->block, h->nr_blocks);

	*b = (struct habit_block){ .name = xstrdup(name) };
	return b;
}

void habit_block_clear(struct habit_block *b)
{
	for (size_t i = 0; i < b->nr; i++)
		free(b->line[i]);
	free(TAKE_PTR(b->line));
	b->nr = 0;
}

/* While a block is open, lines belong to it.  True: this one was taken. */
static bool habits_take_line(struct shell *sh, const char *text)
{
	struct habits *h = &sh->habits;
	size_t len;

	if (!h->open)
		return false;
	text = line_skip_blanks(text);
	len = strcspn(text, "\r\n");
	if (len == 3 && !strncmp(text, "end", 3))
		h->open = NULL;
	else if (len && *text != '#')
		*vec_push(h->open->line, h->open->nr) = xstrndup(text, len);
	return true;
}

/* ---- after a stop ------------------------------------------------------------------------------- */

/* The commands of the breakpoint that has stopped the run.  If one of them runs on, the rest is left,
 * as in gdb, and those of the next stop follow. */
static struct err *habits_commands(struct shell *sh)
{
	struct habits *h = &sh->habits;

	while (h->stopped) {
		char number[16];
		struct habit_block copy = { 0 };
		struct err *e = NULL;

		h->stopped = false;
		snprintf(number, sizeof(number), "%u", h->breakpoint);

		const struct habit_block *b = h->breakpoint ? habit_block(h, number, false) : NULL;

		/* They may change the block that they are in. */
		for (size_t i = 0; b && i < b->nr; i++)
			*vec_push(copy.line, copy.nr) = xstrdup(b->line[i]);
		for (size_t i = 0; i < copy.nr && !e && !h->stopped && !sh->quit; i++)
			e = shell_exec(sh, copy.line[i]);
		habit_block_clear(&copy);
		if (e)
			return e;
	}
	return NULL;
}

static struct err *habits_after(struct shell *sh)
{
	struct habits *h = &sh->habits;
	struct err *e;

	if (!h->stopped || h->acting)
		return NULL;
	h->acting = true;
	e = habits_commands(sh);
	/* In a view what is shown is on the screen already. */
	for (size_t i = 0; !e && !sh->view && i < h->nr_displays; i++) {
		struct err *shown = shell_exec(sh, h->display[i].line);

		/* There may be nothing to show yet: no reason to end a script. */
		if (shown)
			notice(sh, "display %u: %s", h->display[i].number, shown->msg);
		err_free(shown);
	}
	h->acting = false;
	return e;
}

void habits_install(struct shell *sh)
{
	sh->take_line = habits_take_line;
	sh->after_line = habits_after;
}

void habits_deinit(struct habits *h)
{
	for (size_t i = 0; i < h->nr_displays; i++)
		free(h->display[i].line);
	for (size_t i = 0; i < h->nr_watches; i++) {
		free(h->watch[i].expr);
		free(h->watch[i].last);
	}
	for (size_t i = 0; i < h->nr_blocks; i++) {
		habit_block_clear(&h->block[i]);
		free(h->block[i].name);
	}
	free(h->display);
	free(h->watch);
	free(h->block);
	if (h->log)
		fclose(h->log);
	free(h->log_path);
	*h = (struct habits){ 0 };
}
