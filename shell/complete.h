/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Completion without readline: a line and a cursor give a list of candidates.  The commands'
 * own completers (struct cmd_entry) fill it; prompt.c hands it to readline.
 */
#ifndef STEPDUMP_COMPLETE_H
#define STEPDUMP_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

struct shell;

struct candidate_item {
	char *text;
	char *desc; /* shown beside it; NULL: nothing */
};

struct complist {
	struct candidate_item *v;
	size_t nr;
	bool files; /* offer file names */
	bool dirs;  /* offer directories */
};

/* The word under the cursor, and the finished words between it and the command. */
struct cword {
	const char *text;
	unsigned argn; /* 0: first argument */
	char **argv;   /* argn words */
};

typedef void (*complete_fn)(struct shell *sh, const struct cword *w, struct complist *l);

/* Adds `text` if it begins with the word under the cursor.  desc may be NULL. */
void complist_add(struct complist *l, const struct cword *w, const char *text, const char *desc);
void complist_deinit(struct complist *l);

/* Candidates for line[0..point). */
void complete_line(struct shell *sh, const char *line, size_t point, struct complist *ret);

/* Completers for the tables. */
void comp_command_or_topic(struct shell *sh, const struct cword *w, struct complist *l);
/* Names that `explain` knows, but for causes. */
void comp_term(const struct cword *w, struct complist *l);
void comp_pane(struct shell *sh, const struct cword *w, struct complist *l);
void comp_pid(struct shell *sh, const struct cword *w, struct complist *l);
void comp_where(struct shell *sh, const struct cword *w, struct complist *l);
void comp_fault(struct shell *sh, const struct cword *w, struct complist *l);
void comp_break_number(struct shell *sh, const struct cword *w, struct complist *l);
void comp_addr(struct shell *sh, const struct cword *w, struct complist *l);
void comp_x(struct shell *sh, const struct cword *w, struct complist *l);
void comp_set(struct shell *sh, const struct cword *w, struct complist *l);
void comp_dir(struct shell *sh, const struct cword *w, struct complist *l);
void comp_file(struct shell *sh, const struct cword *w, struct complist *l);
void comp_attach(struct shell *sh, const struct cword *w, struct complist *l);
void comp_detach(struct shell *sh, const struct cword *w, struct complist *l);
void comp_task(struct shell *sh, const struct cword *w, struct complist *l);
void comp_commit(struct shell *sh, const struct cword *w, struct complist *l);
void comp_verify(struct shell *sh, const struct cword *w, struct complist *l);
void comp_diff(struct shell *sh, const struct cword *w, struct complist *l);
void comp_flatten(struct shell *sh, const struct cword *w, struct complist *l);
void comp_dump_image(struct shell *sh, const struct cword *w, struct complist *l);
void comp_plan(struct shell *sh, const struct cword *w, struct complist *l);
void comp_check(struct shell *sh, const struct cword *w, struct complist *l);
void comp_cause(struct shell *sh, const struct cword *w, struct complist *l);
void comp_snap(struct shell *sh, const struct cword *w, struct complist *l);

#endif
