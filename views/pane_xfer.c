/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where pages go: files, entries, the conversation with a page server. */
#include <stdlib.h>
#include <string.h>

#include "views/pane_impl.h"

static void paint_files(struct paint *p, const Stepdump__Xfer *x)
{
	const struct column columns[] = {
		{ "file", .min = 16 },
		{ "bytes", .right = true },
		{ "size", .right = true, .drop = 1 },
		{ "entries", .right = true },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < x->n_files; i++) {
		const Stepdump__ImageFile *f = x->files[i];
		AUTO_FREE char *name = text_shown(p, f->name);

		table_row(t, f, x->object && !strcmp(x->object, f->name));
		table_cell(t, TONE_KEY, "%s", name);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(f->has_bytes, f->bytes).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt_size(f->has_bytes, f->bytes).s);
		table_cell(t, TONE_NORMAL, "%s", txt_opt(f->has_entries, f->entries).s);
	}
	paint_blank(p);
	paint_line(p, TONE_TITLE, "files");
	table_end(t, p, "none yet");
}

void paint_pagemap_entries(struct paint *p, Stepdump__PagemapEntry *const *v, size_t nr,
			   const char *none)
{
	const struct column columns[] = {
		{ "vaddr", .right = true },
		{ "pages", .right = true },
		{ "size", .right = true, .drop = 1 },
		{ .head = "flags" },
		{ "offset in pages file", .right = true, .drop = 2 },
	};
	struct table *t = TABLE_NEW(columns);

	for (size_t i = 0; i < nr; i++) {
		const Stepdump__PagemapEntry *e = v[i];
		AUTO_FREE char *flags = join_names(e->flags, e->n_flags, " ");

		table_row(t, e, false);
		table_cell(t, TONE_ADDR, "%s", txt_addr(p, e->vaddr).s);
		table_cell(t, TONE_NORMAL, "%lu", e->nr_pages);
		table_cell(t, TONE_NORMAL, "%s", txt_pages(e->nr_pages).s);
		table_cell(t, strstr(flags, "PARENT") ? TONE_HOLE : TONE_DUMP, "%s", flags);
		if (e->has_pages_off)
			table_cell(t, TONE_NORMAL, "0x%lx", e->pages_off);
		else
			table_cell(t, TONE_NORMAL, "-");
	}
	table_end(t, p, none);
}

static void paint_entries(struct paint *p, const Stepdump__Xfer *x)
{
	paint_blank(p);
	paint_line(p, TONE_TITLE, "last pagemap entries");
	paint_pagemap_entries(p, x->recent, x->n_recent, "none yet");
}

static void paint_server(struct paint *p, const Stepdump__Xfer *x)
{
	if (!x->server)
		return;
	AUTO_FREE char *server = text_shown(p, x->server);

	paint_field(p, "page server", TONE_NORMAL, "%s, wire %s", p->o->relative ? "-" : server,
		    x->wire ? x->wire : "not known yet");
	paint_field(p, "sent", TONE_NORMAL, "%s in %s messages, on the way %s, %s/s",
		    txt_opt_size(x->has_sent_bytes, x->sent_bytes).s,
		    txt_opt(x->has_messages, x->messages).s,
		    txt_opt_size(x->has_queued_bytes, x->queued_bytes).s,
		    p->o->relative ?
			    "-" :
			    txt_opt_size(x->has_sent_bytes_per_s, (uint64_t)x->sent_bytes_per_s).s);
}

void pane_xfer(struct paint *p)
{
	const Stepdump__Snapshot *s = p->s;
	const struct pane_opts *o = p->o;
	const Stepdump__Xfer *x = s->xfer;

	if (!x) {
		paint_prose(p, 1, TONE_DIM, "not open: prepare opens it");
		return;
	}

	AUTO_FREE char *object = text_shown(p, x->object), *staging = text_shown(p, x->staging);

	paint_field(p, "kind", TONE_KEY, "%s", str_or_dash(x->kind));
	paint_field(p, "staged in", TONE_NORMAL, "%s", staging);
	paint_field(p, "commit goes to", TONE_NORMAL, "%s", str_or_dash(x->dir));
	paint_field(p, "now open", TONE_NORMAL, "%s", object);
	if (x->has_pages_id)
		paint_field(p, "pages file", TONE_NORMAL, "pages-%u.img", x->pages_id);
	paint_field(p, "written", TONE_NORMAL, "%s pages, %s",
		    txt_opt(x->has_pages_written, x->pages_written).s,
		    txt_opt_size(x->has_bytes_written, x->bytes_written).s);
	paint_field(p, "entries", TONE_NORMAL, "%s, of them holes %s (checked in the parent: %s)",
		    txt_opt(x->has_entries, x->entries).s,
		    txt_opt(x->has_holes_written, x->holes_written).s,
		    txt_opt(x->has_holes_checked, x->holes_checked).s);
	if (x->has_nr_open)
		paint_field(
			p, "operations", TONE_NORMAL,
			"open %lu, write_pages %lu, write_pagemap %lu, write_hole %lu, close %lu",
			x->nr_open, x->nr_write_pages, x->nr_write_pagemap, x->nr_write_hole,
			x->nr_close);
	paint_field(p, "room on disk", TONE_NORMAL, "%s",
		    o->relative ? "-" : txt_opt_size(x->has_fs_free_bytes, x->fs_free_bytes).s);
	paint_server(p, x);
	paint_files(p, x);
	paint_entries(p, x);
	if (!x->n_conversation)
		return;
	paint_blank(p);
	paint_line(p, TONE_TITLE, "page-server messages, oldest first");
	for (size_t i = 0; i < x->n_conversation; i++) {
		AUTO_FREE char *line = text_shown(p, x->conversation[i]);

		paint_prose(p, 3, TONE_NORMAL, line);
	}
}
