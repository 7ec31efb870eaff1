/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Help on topics other than commands. */
#ifndef STEPDUMP_TOPICS_H
#define STEPDUMP_TOPICS_H

struct help_topic {
	const char *name;
	const char *summary;
	const char *text; /* the fixed part of the text: see help_topic_text() */
};

/* Ends with name == NULL. */
extern const struct help_topic help_topics[];

/* The whole text; the caller frees it. */
char *help_topic_text(const struct help_topic *t);

#endif
