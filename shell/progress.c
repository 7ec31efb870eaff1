/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "proto/verdict.h"
#include "shell/format.h"
#include "shell/out.h"
#include "shell/view.h"
#include "views/panes.h"

static bool progress_wanted(const struct shell *sh)
{
	return sh->interactive && !sh->view && !sh->settings.json && isatty(STDERR_FILENO);
}

static void progress_show(struct progress *p, const char *text)
{
	unsigned rows, cols;

	term_size(&rows, &cols);
	fprintf(stderr, "\r%.*s\033[K", (int)cols - 1, text);
	fflush(stderr);
	p->shown = true;
}

/* Pages that are selected and not yet transferred; known only once everything is scanned. */
static bool progress_pages_left(const Stepdump__Counters *c, uint64_t *ret)
{
	uint64_t selected = 0, seen = 0;

	for (size_t i = 0; i < c->n_verdicts; i++) {
		Stepdump__Verdict v = c->verdicts[i]->verdict;

		if (v == STEPDUMP__VERDICT__NOT_SCANNED)
			continue;
		seen += c->verdicts[i]->pages;
		if (verdict_is_data(v))
			selected += c->verdicts[i]->pages;
	}
	if (seen < c->pages_total)
		return false;
	*ret = selected > c->pages_written ? selected - c->pages_written : 0;
	return true;
}

static unsigned progress_percent(const Stepdump__Counters *c)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < c->n_verdicts; i++)
		if (c->verdicts[i]->verdict != STEPDUMP__VERDICT__NOT_SCANNED)
			seen += c->verdicts[i]->pages;
	return c->pages_total && seen < c->pages_total ?
		       (unsigned)((unsigned __int128)seen * 100 / c->pages_total) :
		       100;
}

void progress_text(const Stepdump__Snapshot *s, uint64_t pages_before, uint64_t us, char *buf,
		   size_t len)
{
	uint64_t pages = s->xfer ? s->xfer->pages_written : 0, left;
	uint64_t done = pages > pages_before ? pages - pages_before : 0;
	char bytes[24], rate[24];
	int n;

	format_bytes(pages * PAGE_BYTES, bytes, sizeof(bytes));
	n = snprintf(buf, len, "chunk %u   %lu pages %s out", s->cursor ? s->cursor->chunk : 0,
		     pages, bytes);
	if (n < 0 || (size_t)n >= len || !us)
		return;
	format_bytes((uint64_t)((unsigned __int128)done * PAGE_BYTES * 1000000 / us), rate,
		     sizeof(rate));
	n += snprintf(buf + n, len - (size_t)n, "   %s/s", rate);
	if ((size_t)n >= len || !s->counters)
		return;
	if (!progress_pages_left(s->counters, &left))
		snprintf(buf + n, len - (size_t)n, "   %u%% scanned",
			 progress_percent(s->counters));
	else if (done)
		snprintf(buf + n, len - (size_t)n, "   about %.1f s left",
			 (double)left * (double)us / (double)done / 1e6);
}

static void progress_on_terminal(struct session *s, void *arg)
{
	struct progress *p = arg;
	struct snap_request req = { .parts = SNAP_XFER | SNAP_COUNTERS | SNAP_CURSOR };
	Stepdump__Snapshot *snap;
	char where[48], text[128], line[200];

	session_position(s, where, sizeof(where));
	struct err *e = snap_take(s, &req, &snap);
	if (e) {
		err_free(e); /* no figures: the position is enough */
		progress_show(p, where);
		return;
	}
	progress_text(snap, p->pages_before, now_us() - p->begin_us, text, sizeof(text));
	snprintf(line, sizeof(line), "%s   %s   (^C stops)", where, text);
	stepdump__snapshot__free_unpacked(snap, NULL);
	progress_show(p, line);
}

/* Pages that were out before this command do not count for its rate. */
static void progress_start(struct progress *p)
{
	struct snap_request req = { .parts = SNAP_XFER };
	Stepdump__Snapshot *snap;
	struct err *e = snap_take(p->sh->session, &req, &snap);

	p->begin_us = now_us();
	if (!e) {
		p->pages_before = snap->xfer ? snap->xfer->pages_written : 0;
		stepdump__snapshot__free_unpacked(snap, NULL);
	}
	err_free(e);
}

void progress_begin(struct progress *p, struct shell *sh, struct run_request *req)
{
	*p = (struct progress){ .sh = sh };
	if (sh->view) {
		progress_start(p);
		sh->view->progress = *p;
		req->progress = sh->view->on_progress;
		req->progress_arg = sh->view;
		return;
	}
	if (!progress_wanted(sh))
		return;
	progress_start(p);
	req->progress = progress_on_terminal;
	req->progress_arg = p;
}

void progress_end(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}
