/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "shell/format.h"
#include "shell/out.h"
#include "shell/view.h"
#include "views/panes.h"

static bool wanted(const struct shell *sh)
{
	return sh->interactive && !sh->view && !sh->settings.json && isatty(STDERR_FILENO);
}

static void show(struct progress *p, const char *text)
{
	unsigned rows, cols;

	term_size(&rows, &cols);
	fprintf(stderr, "\r%.*s\033[K", (int)cols - 1, text);
	fflush(stderr);
	p->shown = true;
}

static void on_progress(struct session *s, void *arg)
{
	struct progress *p = arg;
	struct snap_request req = shell_snap_request(SNAP_XFER);
	Stepdump__Snapshot *snap;
	char where[48], bytes[24] = "0", line[160];

	session_position(s, where, sizeof(where));
	struct err *e = snap_take(s, &req, &snap);
	if (e) {
		err_free(e); /* no figures: the position will do */
		show(p, where);
		return;
	}
	if (snap->xfer)
		format_bytes(snap->xfer->bytes_written, bytes, sizeof(bytes));
	snprintf(line, sizeof(line), "%s  %" PRIu64 " pages written, %s  (^C stops)", where,
		 snap->xfer ? snap->xfer->pages_written : 0, bytes);
	stepdump__snapshot__free_unpacked(snap, NULL);
	show(p, line);
}

void progress_begin(struct progress *p, struct shell *sh, struct run_request *req)
{
	*p = (struct progress){ .sh = sh };
	if (sh->view) {
		req->progress = view_progress;
		req->progress_arg = sh->view;
		return;
	}
	if (!wanted(sh))
		return;
	req->progress = on_progress;
	req->progress_arg = p;
}

void progress_end(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}
