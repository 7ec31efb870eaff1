/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line being typed at the bottom: a command, a search, a filter, an address. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

static enum ui_effect line_done(struct ui *ui, const Stepdump__Snapshot *s)
{
	char *end;

	ui->mode = ui->pager.nr ? UI_PAGER : UI_VIEW;
	switch (ui->line_kind) {
	case ':':
		if (!ui->line[strspn(ui->line, " ")])
			return UI_DRAW;
		snprintf(ui->last_line, sizeof(ui->last_line), "%s", ui->line);
		snprintf(ui->command, sizeof(ui->command), "%s", ui->line);
		ui->command_steps = false;
		return UI_RUN;
	case '\\':
		snprintf(ui->filter[ui->view], sizeof(ui->filter[0]), "%.63s", ui->line);
		ui->find_filter = ui->view == VIEW_MAP;
		return ui->find_filter ? UI_FIND : UI_LOOK;
	case '@':
		ui->addr = strtoull(ui->line, &end, 16);
		if (*end || end == ui->line) {
			ui_message(ui, TONE_WARN, "\"%s\" is no address", ui->line);
			return UI_DRAW;
		}
		ui->find_addr = true;
		return UI_FIND;
	default:
		if (*ui->line)
			snprintf(ui->search, sizeof(ui->search), "%.127s", ui->line);
		if (!*ui->search)
			return UI_DRAW;
		ui->find_back = false;
		if (ui->mode == UI_PAGER)
			return pager_action(ui, ACT_SEARCH_NEXT);
		return search_again(ui, ACT_SEARCH_NEXT, s);
	}
}

/* Takes the last character off, which may be several bytes. */
static void line_chop(char *line)
{
	size_t len = strlen(line);

	while (len && ((unsigned char)line[--len] & 0xc0) == 0x80)
		;
	line[len] = '\0';
}

static void line_add(char *line, int key)
{
	size_t len = strlen(line);
	unsigned c = (unsigned)key;

	if (len + 5 > UI_TEXT_MAX)
		return;
	if (c < 0x80) {
		line[len++] = (char)c;
	} else {
		unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

		line[len++] = (char)((0xf0 << (3 - more) & 0xf0) | c >> 6 * more);
		while (more--)
			line[len++] = (char)(0x80 | (c >> 6 * more & 0x3f));
	}
	line[len] = '\0';
}

enum ui_effect line_key(struct ui *ui, int key, const Stepdump__Snapshot *s)
{
	switch (key) {
	case K_ENTER:
		return line_done(ui, s);
	case K_ESC:
		ui->mode = ui->pager.nr ? UI_PAGER : UI_VIEW;
		return UI_DRAW;
	case K_BACKSPACE:
	case 8:
		if (!*ui->line)
			ui->mode = ui->pager.nr ? UI_PAGER : UI_VIEW;
		line_chop(ui->line);
		return UI_DRAW;
	case 'U' - '@':
		*ui->line = '\0';
		return UI_DRAW;
	case 'W' - '@':
		while (*ui->line && ui->line[strlen(ui->line) - 1] == ' ')
			line_chop(ui->line);
		while (*ui->line && ui->line[strlen(ui->line) - 1] != ' ')
			line_chop(ui->line);
		return UI_DRAW;
	case K_UP:
		if (ui->line_kind == ':')
			memcpy(ui->line, ui->last_line, sizeof(ui->line));
		return UI_DRAW;
	default:
		if (key >= ' ' && key < K_UP)
			line_add(ui->line, key);
		return UI_DRAW;
	}
}
