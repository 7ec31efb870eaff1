/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whatever is over a view: the message, the line being typed, text that scrolls; and moving by
 * rows. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/view_impl.h"

void pager_close(struct ui *ui)
{
	for (size_t i = 0; i < ui->pager.nr; i++)
		free(ui->pager.line[i]);
	free(ui->pager.line);
	free(ui->pager.title);
	ui->pager = (struct pager){ 0 };
	if (ui->mode == UI_PAGER)
		ui->mode = UI_VIEW;
}

void ui_message(struct ui *ui, enum tone tone, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(ui->message.text, sizeof(ui->message.text), fmt, ap) < 0)
		*ui->message.text = '\0';
	va_end(ap);
	ui->message.tone = tone;
}

void ui_line_show(struct ui *ui, const char *prompt, const char *text, size_t cursor)
{
	snprintf(ui->typed.prompt, sizeof(ui->typed.prompt), "%s", prompt);
	snprintf(ui->typed.text, sizeof(ui->typed.text), "%s", text);
	ui->typed.cursor = cursor < sizeof(ui->typed.text) ? cursor : sizeof(ui->typed.text) - 1;
}

void ui_line_offer(struct ui *ui, const char *lines)
{
	free(ui->typed.offered);
	ui->typed.offered = lines ? xstrdup(lines) : NULL;
}

void ui_page(struct ui *ui, const char *title, const char *text)
{
	size_t len = strlen(text);

	while (len && text[len - 1] == '\n')
		len--;
	pager_close(ui);
	if (!len)
		return;
	if (!memchr(text, '\n', len) && grid_text_width(text) < ui->cols) {
		ui_message(ui, TONE_NORMAL, "%.*s", (int)len, text);
		return;
	}
	ui->pager.title = xstrdup(title);
	for (const char *end = text + len; text < end;) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol ? eol : end) - text);

		*vec_push(ui->pager.line, ui->pager.nr) = xstrndup(text, n);
		text += n + 1;
	}
	ui->mode = UI_PAGER;
}

bool move_rows(enum action a, uint32_t page, uint32_t nr, uint32_t *at)
{
	uint32_t last = nr ? nr - 1 : 0, by = page > 1 ? page - 1 : 1;

	switch (a) {
	case ACT_HALF_DOWN:
	case ACT_HALF_UP:
		by = page > 3 ? page / 2 : 1;
		break;
	case ACT_DOWN:
	case ACT_UP:
		by = 1;
		break;
	default:
		break;
	}
	switch (a) {
	case ACT_DOWN:
	case ACT_PAGE_DOWN:
	case ACT_HALF_DOWN:
		*at = last - (*at < last ? *at : last) < by ? last : *at + by;
		return true;
	case ACT_UP:
	case ACT_PAGE_UP:
	case ACT_HALF_UP:
		*at = *at < by ? 0 : *at - by;
		return true;
	case ACT_TOP:
		*at = 0;
		return true;
	case ACT_BOTTOM:
		*at = last;
		return true;
	default:
		return false;
	}
}

void keep_visible(uint32_t at, uint32_t page, uint32_t nr, uint32_t *top)
{
	if (!page)
		page = 1;
	if (at < *top)
		*top = at;
	if (at >= *top && at - *top >= page)
		*top = at - page + 1;
	if (nr <= page)
		*top = 0;
	else if (*top > nr - page)
		*top = nr - page;
}

enum ui_effect pager_action(struct ui *ui, enum action a)
{
	struct pager *p = &ui->pager;
	uint32_t page = body_rows(ui), nr = (uint32_t)p->nr;
	uint32_t last = nr > page ? nr - page : 0, top = (uint32_t)p->top;

	switch (a) {
	case ACT_QUIT:
	case ACT_BACK:
		pager_close(ui);
		return UI_DRAW;
	case ACT_SEARCH_NEXT:
	case ACT_SEARCH_PREV:
		for (uint32_t k = 1; *ui->find.text && nr && k <= nr; k++) {
			uint32_t i = (top + (a == ACT_SEARCH_NEXT ? k : nr - k)) % nr;

			if (strcasestr(p->line[i], ui->find.text)) {
				p->top = i < last ? i : last;
				return UI_DRAW;
			}
		}
		ui_message(ui, TONE_WARN, "not found: \"%s\"", ui->find.text);
		return UI_DRAW;
	case ACT_DOWN:
		p->top = top < last ? top + 1 : last;
		return UI_DRAW;
	case ACT_UP:
		p->top = top ? top - 1 : 0;
		return UI_DRAW;
	case ACT_BOTTOM:
		p->top = last;
		return UI_DRAW;
	default:
		if (!move_rows(a, page, nr, &top))
			return UI_NOTHING;
		p->top = top < last ? top : last;
		return UI_DRAW;
	}
}
