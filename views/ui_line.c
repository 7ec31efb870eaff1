/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line being typed at the bottom: a command, a search, a filter, an address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

static enum ui_effect line_command(struct ui *ui, const char *text)
{
	if (!text[strspn(text, " ")])
		return UI_DRAW;
	snprintf(ui->command.line, sizeof(ui->command.line), "%s", text);
	ui->command.steps = false;
	return UI_RUN;
}

static enum ui_effect line_filter(struct ui *ui, const char *text)
{
	snprintf(ui->filter.text[ui->view], sizeof(ui->filter.text[0]), "%.63s", text);
	if (ui->view != VIEW_MAP)
		return UI_LOOK;
	ui->find.what = FIND_FILTER;
	return UI_FIND;
}

static enum ui_effect line_search(struct ui *ui, const char *text, const Stepdump__Snapshot *s)
{
	if (*text)
		snprintf(ui->find.text, sizeof(ui->find.text), "%.127s", text);
	if (!*ui->find.text)
		return UI_DRAW;
	ui->find.back = false;
	if (ui->mode == UI_PAGER)
		return pager_action(ui, ACT_SEARCH_NEXT);
	return search_again(ui, ACT_SEARCH_NEXT, s);
}

enum ui_effect ui_line_done(struct ui *ui, const char *text, const Stepdump__Snapshot *s)
{
	ui->mode = ui->pager.nr ? UI_PAGER : UI_VIEW;
	ui_line_offer(ui, NULL);
	if (!text)
		return UI_DRAW;
	switch (ui->typed.kind) {
	case ':':
		return line_command(ui, text);
	case '\\':
		return line_filter(ui, text);
	case '@':
		snprintf(ui->typed.text, sizeof(ui->typed.text), "%s", text);
		return UI_GOTO;
	default:
		return line_search(ui, text, s);
	}
}
