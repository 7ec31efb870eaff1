/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verdicts on pages, in one table: commands, views, help, completion and JSON take their names
 * and texts from here; the rule itself is page_verdict() (engine/pages).
 */
#ifndef STEPDUMP_PROTO_VERDICT_H
#define STEPDUMP_PROTO_VERDICT_H

#include <stdbool.h>

#include "proto/snapshot.pb-c.h"

typedef Stepdump__Verdict verdict_t;
#define VD(x) STEPDUMP__VERDICT__##x
#define NR_VERDICTS 11

struct verdict_info {
	const char *name;    /* "dump-swapped": as users type it, and in JSON */
	char glyph;          /* a different one for each */
	bool data;           /* the page's bytes go into the images */
	const char *brief;   /* legend of a map: one or two words */
	const char *legend;  /* legend of the other views */
	const char *meaning; /* `help verdicts` */
	const char *why;     /* `why`: "ADDR: [will be ]..." */
	const char *rule;    /* `why`: the function of CRIU that decides, and its rule */
};

/* Never NULL: a snapshot may come from a newer stepdump, whose new verdicts are "unknown", '?'. */
const struct verdict_info *verdict_info(verdict_t v);

static inline const char *verdict_name(verdict_t v)
{
	return verdict_info(v)->name;
}

static inline bool verdict_is_data(verdict_t v)
{
	return verdict_info(v)->data;
}

/* -1 if unknown; case does not matter. */
int verdict_from_name(const char *name);

#endif
