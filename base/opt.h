/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A struct of options and the table that describes it: finding, parsing and printing one by name.
 * The options of a dump (engine/dump/opts.h) and the shell's own settings are such tables.
 */
#ifndef STEPDUMP_OPT_H
#define STEPDUMP_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct opt_desc {
	const char *name;    /* "pmc" */
	const char *values;  /* "auto|scan|pread", "on|off", "DIR", "N" */
	const char *summary; /* at most 60 columns */
	bool before_prepare; /* cannot change while a pipeline is under way */
	size_t offset;       /* into struct opts */
	enum { OPT_ENUM, OPT_BOOL, OPT_STRING, OPT_UINT } type;
	const char *const *names; /* OPT_ENUM */
	uint32_t min, max;        /* OPT_UINT */
};

/* Looks a name up in a table that ends with name == NULL: exact, or a unique prefix; else NULL. */
const struct opt_desc *opt_find_in(const struct opt_desc *descs, const char *name);
/* `base`: the struct that the table describes.  ERR_USAGE names the values allowed; the struct is
 * untouched on failure. */
struct err *opt_parse(void *base, const struct opt_desc *d, const char *value);
/* Caller frees; "" for a string that is not set. */
char *opt_print(const void *base, const struct opt_desc *d);

#endif
