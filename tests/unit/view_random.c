/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Views over random snapshots, at random sizes, with random keys: no crash, no cell outside,
 * the same picture twice; and a view reads what it asks for, no more and no less.
 */
#include "views/view.h"

#include "tests/lib/random_snapshot.h"

static char *draw(const struct ui *ui, const Stepdump__Snapshot *s,
		  const Stepdump__Snapshot *before)
{
	struct grid g;
	char *text;

	grid_init(&g, ui->cols, 0);
	screen_render(ui, s, before, &g);
	assert_int_equal(g.cols, ui->cols);
	assert_int_equal(g.rows, ui->rows);
	for (size_t i = 0; i < (size_t)g.rows * g.cols; i++) {
		assert_true(g.cells[i].tone < NR_TONES);
		if (ui->ascii)
			assert_in_range(g.cells[i].ch, ' ', '~');
	}
	assert_true(screen_cursor(ui) < (int)ui->cols);
	text = grid_to_text(&g);
	grid_deinit(&g);
	return text;
}

static int random_key(void)
{
	static const int special[] = { K_UP,        K_DOWN,   K_LEFT, K_RIGHT,
				       K_PGUP,      K_PGDN,   K_HOME, K_END,
				       K_ENTER,     K_ESC,    K_TAB,  K_SHIFT_TAB,
				       K_BACKSPACE, K_F1 + 4, 0x6f22, K_SUSPEND };

	return rnd(3) ? (int)(rnd(128)) : special[rnd64() % (ARRAY_SIZE(special))];
}

static void check_want(const struct ui *ui, const Stepdump__Snapshot *s)
{
	struct view_want w;

	ui_want(ui, s, &w);
	assert_true(w.nr_vmas <= WANT_MAX && w.nr_runs <= WANT_MAX);
	for (unsigned i = 0; i < w.nr_runs; i++)
		assert_true(w.runs[i].start < w.runs[i].end);
}

TEST(anything_can_be_looked_at)
{
	for (unsigned round = 0; round < rounds(150); round++) {
		Stepdump__Snapshot *s = random_snapshot(), *before = random_snapshot();
		struct ui ui;
		bool tiny = rnd(8) == 0;
		unsigned cols = tiny ? 1 + rnd(59) : 60 + rnd(200);

		ui_init(&ui, tiny ? 1 + rnd(11) : 12 + rnd(80), cols, rnd64() & 1);
		ui.relative = rnd64() & 1;
		ui.saved = rnd64() & 1;
		for (unsigned k = 0; k < 60; k++) {
			enum ui_effect e;
			char *first, *second;

			e = ui_key(&ui, random_key(), s);
			assert_true(ui_find_needs(&ui) & SNAP_VMAS);
			if (rnd(8) == 0)
				e = ui_click(&ui, rnd(ui.rows + 2), rnd(ui.cols + 2), s);
			if (e == UI_FIND)
				ui_find(&ui, s);
			if (e == UI_RUN && ui.saved)
				assert_false(ui.command.steps);
			if (rnd(16) == 0)
				ui_follow(&ui, s);
			check_want(&ui, NULL);
			check_want(&ui, s);
			ui_settle(&ui, s);
			first = draw(&ui, s, k & 1 ? before : NULL);
			second = draw(&ui, s, k & 1 ? before : NULL);
			assert_string_equal(first, second);
			free(first);
			free(second);
		}
		ui_deinit(&ui);
		stepdump__snapshot__free_unpacked(s, NULL);
		stepdump__snapshot__free_unpacked(before, NULL);
	}
}

/* The rows of a window always exist, wherever the cursor jumps. */
TEST(windows_stay_bounded)
{
	struct ui ui;

	ui_init(&ui, 80, 250, true);
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		struct view_want w;
		uint64_t vmas = 0;

		ui.view = v;
		ui.place.vma = 59999;
		ui.pipes.iov_top = 200000;
		for (unsigned layout = 0; layout < 2; layout++) {
			ui.map.continuous = layout;
			ui_want(&ui, NULL, &w);
			vmas = 0;
			for (unsigned i = 0; i < w.nr_vmas; i++)
				vmas += w.vmas[i].nr;
			assert_true(vmas <= 2048);
			assert_true(!(w.needs & SNAP_IOVS) || w.iov_max > 0);
			assert_true(w.iov_max <= 80);
		}
	}
	ui_deinit(&ui);
}

/* ---- what is asked for is what is read ------------------------------------------------------ */

static const struct {
	uint32_t part;
	const char *field; /* of the snapshot */
	const char *list;  /* not NULL: of each message in that field, or in its list `in` */
	const char *in;
} parts[] = {
	{ SNAP_TARGET, "target", NULL, NULL },
	{ SNAP_TASKS, "tasks", NULL, NULL },
	{ SNAP_THREADS, "threads", NULL, NULL },
	{ SNAP_VMA_COUNTS, "vmas", "counts", NULL },
	{ SNAP_PMC, "pmc", NULL, NULL },
	{ SNAP_PMC_REGIONS, "pmc", "regions", NULL },
	{ SNAP_PAGE_PIPE, "page_pipe", NULL, NULL },
	{ SNAP_IOVS, "page_pipe", "iovs", "ppbs" },
	{ SNAP_HOLES, "page_pipe", "holes", NULL },
	{ SNAP_SHMEM, "shmem", NULL, NULL },
	{ SNAP_XFER, "xfer", NULL, NULL },
	{ SNAP_PARENTS, "parents", NULL, NULL },
	{ SNAP_TRACKER, "tracker", NULL, NULL },
	{ SNAP_COUNTERS, "counters", NULL, NULL },
	{ SNAP_CHECKS, "checks", NULL, NULL },
	{ SNAP_EVENTS, "events", NULL, NULL },
	{ SNAP_CAPS, "caps", NULL, NULL },
	{ SNAP_SETTINGS, "settings", NULL, NULL },
	{ SNAP_CURSOR, "cursor", NULL, NULL },
	{ SNAP_BREAKPOINTS, "breakpoints", NULL, NULL },
	{ SNAP_ERROR, "error", NULL, NULL },
	{ SNAP_WHY, "whys", NULL, NULL },
};

/* The messages of a field, be it one or a list. */
static ProtobufCMessage **messages_of(ProtobufCMessage *m, const char *name, size_t *nr)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	char *base = (char *)m;

	assert_non_null(f);
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		*nr = *(size_t *)(base + f->quantifier_offset);
		return *(ProtobufCMessage ***)(base + f->offset);
	}
	*nr = *(void **)(base + f->offset) != NULL;
	return (ProtobufCMessage **)(base + f->offset);
}

static void empty_field(ProtobufCMessage *m, const char *name)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	size_t nr;
	ProtobufCMessage **all = messages_of(m, name, &nr);

	for (size_t i = 0; i < nr; i++)
		protobuf_c_message_free_unpacked(all[i], NULL);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		*(size_t *)((char *)m + f->quantifier_offset) = 0;
	else
		*all = NULL;
}

static void empty_part(Stepdump__Snapshot *s, size_t k)
{
	size_t nr, nr_inner;
	ProtobufCMessage **all = messages_of(&s->base, parts[k].field, &nr);

	if (!parts[k].list) {
		empty_field(&s->base, parts[k].field);
		return;
	}
	for (size_t i = 0; i < nr; i++) {
		if (!parts[k].in) {
			empty_field(all[i], parts[k].list);
			continue;
		}

		ProtobufCMessage **inner = messages_of(all[i], parts[k].in, &nr_inner);

		for (size_t j = 0; j < nr_inner; j++)
			empty_field(inner[j], parts[k].list);
	}
}

static Stepdump__Snapshot *copy_of(const Stepdump__Snapshot *s)
{
	size_t len = stepdump__snapshot__get_packed_size(s);
	uint8_t *buf = malloc(len + 1);
	Stepdump__Snapshot *copy;

	stepdump__snapshot__pack(s, buf);
	copy = stepdump__snapshot__unpack(NULL, len, buf);
	assert_non_null(copy);
	free(buf);
	return copy;
}

/* Does the view show, or ask for, something else when these parts are not there? */
static bool misses(const struct ui *ui, const Stepdump__Snapshot *s, uint32_t gone)
{
	Stepdump__Snapshot *less = copy_of(s);
	struct view_want with, without;
	char *a, *b;
	bool differ;

	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		if (parts[k].part & gone)
			empty_part(less, k);
	ui_want(ui, s, &with);
	ui_want(ui, less, &without);
	a = draw(ui, s, NULL);
	b = draw(ui, less, NULL);
	differ = memcmp(&with, &without, sizeof(with)) || strcmp(a, b);
	free(a);
	free(b);
	stepdump__snapshot__free_unpacked(less, NULL);
	return differ;
}

TEST(a_view_reads_what_it_asks_for)
{
	/* Read by keys, not by the picture. */
	const uint32_t by_keys = SNAP_BREAKPOINTS;
	/* Saved snapshots have no verdicts of single pages: the page-pipe takes their place. */
	const uint32_t instead[NR_VIEWS] = { [VIEW_PARENTS] =
						     SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES };

	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		uint32_t unread = 0;

		/* Chance decides what a picture shows: whatever is read is missed soon. */
		for (unsigned round = 0; round < 20 || (unread && round < 3000); round++) {
			Stepdump__Snapshot *s = random_snapshot();
			struct view_want first, second;
			struct ui ui;

			ui_init(&ui, 80, 100 + 100 * (round & 1), true);
			ui.view = v;
			ui.place.zoom = rnd(12);
			/* The way the pagemap is read decides how many pages are asked for. */
			if (s->pmc && s->pmc->mode && rnd(2))
				strcpy(s->pmc->mode = realloc(s->pmc->mode, 5), "scan");
			if (s->n_vmas)
				ui.place.vma = s->vmas[rnd((unsigned)s->n_vmas)]->index;
			ui_settle(&ui, s);
			ui_want(&ui, NULL, &first);
			ui_want(&ui, s, &second);

			uint32_t needs = first.needs | second.needs |
					 SNAP_PAGE_PIPE * !!(first.needs & SNAP_IOVS);

			if (!round)
				unread = needs & ~(by_keys | SNAP_VMAS | SNAP_RUNS | SNAP_PEEK);
			for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
				if (unread & parts[k].part && misses(&ui, s, parts[k].part))
					unread &= ~parts[k].part;
			if (misses(&ui, s, ~(needs | instead[v])))
				fail_msg("view %s reads more than it asks for", view_name(v));
			ui_deinit(&ui);
			stepdump__snapshot__free_unpacked(s, NULL);
		}
		if (unread)
			fail_msg("view %s asks for parts %#x, which it does not read", view_name(v),
				 unread);
	}
}
