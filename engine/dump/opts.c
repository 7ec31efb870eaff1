/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/opts.h"

#include <stdlib.h>

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

const struct opt_desc *opt_find(const char *name)
{
	return opt_find_in(opt_descs, name);
}

struct err *opts_set(struct opts *o, const struct opt_desc *d, const char *value)
{
	return opt_parse(o, d, value);
}

char *opts_get(const struct opts *o, const struct opt_desc *d)
{
	return opt_print(o, d);
}
