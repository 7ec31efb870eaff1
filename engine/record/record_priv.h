/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The recorder's state: record.c fills it, record_state.c tells of it. */
#ifndef STEPDUMP_RECORD_PRIV_H
#define STEPDUMP_RECORD_PRIV_H

#include "engine/dump/phases.h"
#include "engine/session/session.h"
#include "proto/recfile.h"

struct recorder {
	struct rec_writer *file; /* NULL: it has ended */
	struct record_opts opts;
	char *path, *ended;
	uint64_t stops, bytes;
	unsigned since_key;
	char **lines;
	size_t nr_lines;
	/* Where the last frame was taken. */
	struct {
		phase_t phase;
		size_t item;
		unsigned chunk;
		size_t vma;
		pid_t pid;
		uint64_t scan, units;
		uint32_t holes;
		bool error;
	} at;
};

#endif
