/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What was typed: $XDG_STATE_HOME/stepdump/history, mode 0600, one line each.  A line is
 * appended when it is entered, so a killed shell loses nothing and two shells do not
 * overwrite each other.  Duplicates are dropped, the latest stays.
 */
#ifndef STEPDUMP_HISTORY_H
#define STEPDUMP_HISTORY_H

/* Once: makes the directories and reads the file.  Without a home directory the history is kept in
 * memory only. */
void history_load(void);
/* Blank lines and lines that begin with a blank are not kept. */
void history_append(const char *line);
/* $NAME/stepdump/FILE, or ~/FALLBACK/stepdump/FILE; heap, NULL without a home. */
char *xdg_path(const char *env, const char *fallback, const char *file);
/* Makes all directories above `file`; 0700 because what was typed is private. */
void history_make_dirs(char *file);

#endif
