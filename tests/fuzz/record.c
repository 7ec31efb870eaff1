/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recordings that come from anywhere: frames made of damaged snapshots, and files damaged outside of
 * their compressed blocks, played to and fro as `stepdump -S FILE` does.  The first byte chooses the
 * way, the rest is the message of one frame.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/session/session.h"
#include "proto/recfile.h"
#include "views/view.h"

#include "tests/lib/fuzz.h"

#define HEAD 12     /* magic and length of a snapshot file */
#define REC_MAGIC 8 /* of a recording */

static char path[] = "/dev/shm/stepdump-fuzz-rec.XXXXXX";

static void new_path(void)
{
	int fd;

	if (strchr(path, 'X') && (fd = mkstemp(path)) >= 0)
		close(fd);
	unlink(path);
}

/* Whatever is known at the stop, as panes and as views. */
static void look(struct session *s, unsigned choice)
{
	static const uint64_t why = 0x7f3a41c0c000;
	const struct snap_request req = { .parts = ~(uint32_t)SNAP_PEEK,
					  .runs_max = 1000,
					  .events_max = 100,
					  .why = &why,
					  .nr_why = choice >> 4 & 1,
					  .iov_max = 50,
					  .ppb_nr = 4 };
	const struct pane_opts o = { .ascii = choice & 1, .index = -1 };
	Stepdump__Snapshot *snap = NULL;
	struct err *e = snap_take(s, &req, &snap);

	if (e) {
		err_free(e);
		return;
	}
	for (const struct pane *p = panes; p->name; p++) {
		struct grid g;

		grid_init(&g, 80, 200);
		pane_render(p, snap, &o, &g);
		grid_deinit(&g);
	}
	for (enum view_id v = 0; v < NR_VIEWS; v++) {
		struct ui ui;
		struct grid g;

		ui_init(&ui, 24, 80, choice & 1);
		ui.view = v;
		ui_settle(&ui, snap);
		grid_init(&g, 80, 0);
		screen_render(&ui, snap, NULL, &g);
		require(g.rows == 24 && g.cols == 80, "a view of 80x24", view_name(v));
		grid_deinit(&g);
		ui_deinit(&ui);
	}
	stepdump__snapshot__free_unpacked(snap, NULL);
}

/* Returns whether the file was played. */
static bool play(unsigned choice)
{
	static const enum run_kind ways[] = { RUN_NEXT,         RUN_STEP,
					      RUN_BACK,         RUN_GOTO,
					      RUN_REVERSE_STEP, RUN_CONTINUE,
					      RUN_NEXT,         RUN_REVERSE_CONTINUE };
	struct session *s = NULL;
	struct replay_status st;
	struct err *e = session_replay(path, &s);

	if (e) {
		require(e->msg && *e->msg, "an error that says what is wrong", path);
		err_free(e);
		return false;
	}
	look(s, choice);
	for (unsigned i = 0; i < 6; i++) {
		const struct run_request req = { .kind = ways[(choice + i) % 8],
						 .count = 1 + (choice & 3),
						 .unit = (choice >> 2) & 7 };
		Stepdump__Stop *stop = NULL;

		err_free(session_run(s, &req, &stop));
		if (stop)
			stepdump__stop__free_unpacked(stop, NULL);
		session_replay_status(s, &st);
		require(st.stop < st.stops, "a stop of the recording", path);
	}
	look(s, choice);
	err_free(session_destroy(s)); /* it holds no target */
	return true;
}

/* A recording of `nr` stops, the same frame again and again; key frames and others. */
static bool write_recording(const uint8_t *data, size_t len, unsigned nr)
{
	Stepdump__Frame *f = stepdump__frame__unpack(NULL, len, data);
	struct rec_writer *w = NULL;

	if (!f)
		return false;
	new_path();

	struct err *e = rec_create(path, 64u << 20, &w);

	for (unsigned i = 0; !e && i < nr; i++)
		e = rec_append(w, f, i % 3 == 0);
	rec_close(w);
	stepdump__frame__free_unpacked(f, NULL);
	if (!e)
		return true;
	err_free(e);
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool good;

	if (!len || len > 1 << 20 || !write_recording(data + 1, len - 1, 1 + data[0] % 5))
		return 0;
	good = play(data[0]);
	unlink(path);
	return good;
}

#ifndef LIBFUZZER
static uint8_t *files[8];
static size_t lens[8];
static unsigned nr_files;

/* A frame with the whole snapshot, as it stands in a recording. */
static size_t frame_of(unsigned k, uint8_t *buf, size_t cap)
{
	Stepdump__Frame f = STEPDUMP__FRAME__INIT;
	size_t len;

	f.parts = ~0u;
	f.snap = stepdump__snapshot__unpack(NULL, lens[k], files[k]);
	require(f.snap != NULL, "a snapshot", "a file to start from");
	len = stepdump__frame__get_packed_size(&f);
	require(len < cap, "a small frame", "a file to start from");
	stepdump__frame__pack(&f, buf);
	stepdump__snapshot__free_unpacked(f.snap, NULL);
	return len;
}

/* Bytes of the file itself: blocks cut, lengths and kinds wrong, zstd that is none. */
static void damage_file(void)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(path, "re");
	size_t len = f ? fread(buf, 1, sizeof(buf) - 4096, f) : 0;

	if (f)
		fclose(f);
	if (len <= REC_MAGIC + 1)
		return;
	len = fuzz_mutate(buf, rnd(8) ? REC_MAGIC : 0, len, sizeof(buf));
	f = fopen(path, "we");
	require(f && fwrite(buf, 1, len, f) == len && !fclose(f), "to write", path);
}

static bool one_recording(unsigned i)
{
	static uint8_t buf[131072];
	size_t len = frame_of((unsigned)rnd(nr_files), buf + 1, sizeof(buf) - 4096);
	bool good;

	buf[0] = (uint8_t)rnd64();
	if (i < 64 || rnd(3)) {
		if (i >= 64)
			len = fuzz_mutate(buf + 1, 0, len, sizeof(buf) - 1);
		return LLVMFuzzerTestOneInput(buf, len + 1);
	}
	if (!write_recording(buf + 1, len, 1 + (unsigned)rnd(6)))
		return false;
	damage_file();
	good = play(buf[0]);
	unlink(path);
	return good;
}

int main(int argc, char **argv)
{
	for (; nr_files < 8 && (int)nr_files + 2 < argc; nr_files++)
		files[nr_files] = fuzz_load(argv[nr_files + 2], HEAD, &lens[nr_files]);
	require(nr_files > 0, "a file to start from", "none given");
	return fuzz_main(argc, argv, one_recording, 5, 100);
}
#endif
