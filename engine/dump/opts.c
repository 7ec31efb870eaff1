/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/opts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What CRIU asks for: 8 pages of kernel pipe slots (40 bytes each). */
#define PIPE_PAGES_DEFAULT 819

static const char *const pmc_names[] = { "auto", "scan", "pread", NULL };
static const char *const xfer_names[] = { "local", "null", NULL };
static const char *const mode_names[] = { "dump", "pre-dump", NULL };
static const char *const pre_dump_names[] = { "splice", "read", NULL };
static const char *const track_names[] = { "auto", "soft-dirty", "uffd", "none", NULL };
static const char *const hole_missing_names[] = { "fail", "dump", NULL };

const struct opt_desc opt_descs[] = {
	{
		.name = "pmc",
		.values = "auto|scan|pread",
		.summary = "how pagemap is read: PAGEMAP_SCAN or pread",
		.before_prepare = true,
		.offset = offsetof(struct opts, pmc),
		.type = OPT_ENUM,
		.names = pmc_names,
	},
	{
		.name = "pmc-cache",
		.values = "on|off",
		.summary = "one fill of the pagemap cache serves several small VMAs",
		.before_prepare = true,
		.offset = offsetof(struct opts, pmc_cache),
		.type = OPT_BOOL,
	},
	{
		.name = "xfer",
		.values = "local|null",
		.summary = "where pages go: staged files, or nowhere (rehearsal)",
		.before_prepare = true,
		.offset = offsetof(struct opts, xfer),
		.type = OPT_ENUM,
		.names = xfer_names,
	},
	{
		.name = "dir",
		.values = "DIR",
		.summary = "where commit puts the images; empty: say it at commit",
		.before_prepare = true,
		.offset = offsetof(struct opts, dir),
		.type = OPT_STRING,
	},
	{
		.name = "pipe-pages",
		.values = "N",
		.summary = "how many pages a pipe is asked to hold",
		.before_prepare = true,
		.offset = offsetof(struct opts, pipe_pages),
		.type = OPT_UINT,
		.min = 1,
		.max = 1u << 18,
	},
	{
		.name = "lazy",
		.values = "on|off",
		.summary = "mark pages that may be restored lazily",
		.before_prepare = true,
		.offset = offsetof(struct opts, lazy),
		.type = OPT_BOOL,
	},
	{
		.name = "mode",
		.values = "dump|pre-dump",
		.summary = "the last dump, or one that others build on",
		.before_prepare = true,
		.offset = offsetof(struct opts, mode),
		.type = OPT_ENUM,
		.names = mode_names,
	},
	{
		.name = "pre-dump",
		.values = "splice|read",
		.summary = "pre-dump by pipes while frozen, or by reading after",
		.before_prepare = true,
		.offset = offsetof(struct opts, pre_dump),
		.type = OPT_ENUM,
		.names = pre_dump_names,
	},
	{
		.name = "parent",
		.values = "DIR",
		.summary = "images that unchanged pages are left in; empty: none",
		.before_prepare = true,
		.offset = offsetof(struct opts, parent),
		.type = OPT_STRING,
	},
	{
		.name = "track",
		.values = "auto|soft-dirty|uffd|none",
		.summary = "how writes are known from the next commit on",
		.before_prepare = true,
		.offset = offsetof(struct opts, track),
		.type = OPT_ENUM,
		.names = track_names,
	},
	{
		.name = "hole-missing",
		.values = "fail|dump",
		.summary = "a clean page that the parent lacks: stop, or dump it",
		.before_prepare = true,
		.offset = offsetof(struct opts, hole_missing),
		.type = OPT_ENUM,
		.names = hole_missing_names,
	},
	{
		.name = "track-shmem",
		.values = "on|off",
		.summary = "pstate maps for shared memory (CRIU_TRACK_SHMEM)",
		.before_prepare = true,
		.offset = offsetof(struct opts, track_shmem),
		.type = OPT_BOOL,
	},
	{
		.name = "leave-stopped",
		.values = "on|off",
		.summary = "detach leaves the target stopped (SIGSTOP)",
		.offset = offsetof(struct opts, leave_stopped),
		.type = OPT_BOOL,
	},
	{ .name = NULL },
};

void opts_init(struct opts *o)
{
	*o = (struct opts){
		.pmc = PMC_AUTO,
		.pmc_cache = true,
		.xfer = XFER_LOCAL,
		.pipe_pages = PIPE_PAGES_DEFAULT,
		.lazy = true,
		.track = OPT_TRACK_NONE,
	};
}

void opts_deinit(struct opts *o)
{
	free(o->dir);
	free(o->parent);
	o->dir = o->parent = NULL;
}

const struct opt_desc *opt_find_in(const struct opt_desc *descs, const char *name)
{
	const struct opt_desc *found = NULL;
	size_t len = strlen(name);

	for (const struct opt_desc *d = descs; d->name; d++) {
		if (!strcmp(d->name, name))
			return d;
	}
	for (const struct opt_desc *d = descs; len && d->name; d++) {
		if (strncmp(d->name, name, len))
			continue;
		if (found)
			return NULL;
		found = d;
	}
	return found;
}

const struct opt_desc *opt_find(const char *name)
{
	return opt_find_in(opt_descs, name);
}

static struct err *bad_value(const struct opt_desc *d, const char *value)
{
	struct err *e = err_new(ERR_USAGE, "\"%s\" is not a value of %s", value, d->name);

	if (d->type == OPT_UINT)
		return err_hint(e, "a number from %u to %u", d->min, d->max);
	return err_hint(e, "one of %s", d->values);
}

/* "on" and "off", and what people type instead; -1 for anything else. */
static int parse_bool(const char *value)
{
	static const char *const words[2][4] = {
		{ "off", "no", "false", "0" },
		{ "on", "yes", "true", "1" },
	};

	for (int b = 0; b < 2; b++) {
		for (int i = 0; i < 4; i++) {
			if (!strcmp(value, words[b][i]))
				return b;
		}
	}
	return -1;
}

struct err *opt_parse(void *base, const struct opt_desc *d, const char *value)
{
	void *field = (char *)base + d->offset;
	unsigned long n;
	char *end, *s;
	int b;

	switch (d->type) {
	case OPT_ENUM:
		for (int i = 0; d->names[i]; i++) {
			if (!strcmp(d->names[i], value)) {
				*(int *)field = i;
				return NULL;
			}
		}
		break;
	case OPT_BOOL:
		b = parse_bool(value);
		if (b >= 0) {
			*(bool *)field = b;
			return NULL;
		}
		break;
	case OPT_UINT:
		errno = 0;
		n = strtoul(value, &end, 10);
		if (*value >= '0' && *value <= '9' && !*end && !errno && n >= d->min &&
		    n <= d->max) {
			*(uint32_t *)field = (uint32_t)n;
			return NULL;
		}
		break;
	case OPT_STRING:
		s = *value ? strdup(value) : NULL;
		if (*value && !s)
			return err_nomem();
		free(*(char **)field);
		*(char **)field = s;
		return NULL;
	}
	return bad_value(d, value);
}

struct err *opts_set(struct opts *o, const struct opt_desc *d, const char *value)
{
	return opt_parse(o, d, value);
}

char *opt_print(const void *base, const struct opt_desc *d)
{
	const void *field = (const char *)base + d->offset;
	const char *s;
	char *text;

	switch (d->type) {
	case OPT_ENUM:
		return strdup(d->names[*(const int *)field]);
	case OPT_BOOL:
		return strdup(*(const bool *)field ? "on" : "off");
	case OPT_UINT:
		return asprintf(&text, "%u", *(const uint32_t *)field) < 0 ? NULL : text;
	case OPT_STRING:
		s = *(char *const *)field;
		return strdup(s ? s : "");
	}
	return NULL;
}

char *opts_get(const struct opts *o, const struct opt_desc *d)
{
	return opt_print(o, d);
}
