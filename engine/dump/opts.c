/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/dump/opts.h"

#include <stdlib.h>

#include "engine/dump/page_pipe.h"

static const char *const pmc_names[] = { "auto", "scan", "pread", NULL };
static const char *const xfer_names[] = { "local", "null", "server", NULL };
static const char *const wire_names[] = { "auto", "3.17", "4.2", NULL };
static const char *const mode_names[] = { "dump", "pre-dump", NULL };
static const char *const pre_dump_names[] = { "splice", "read", NULL };
static const char *const track_names[] = { "auto", "soft-dirty", "uffd", "none", NULL };
static const char *const thaw_names[] = { "off", "drained", "committed", "auto", NULL };
static const char *const watch_names[] = { "light", "full", NULL };
static const char *const reserve_names[] = { "off", "on", "auto", NULL };
static const char *const preflight_names[] = { "off", "warn", "refuse", NULL };
static const char *const zero_names[] = { "keep", "drop", NULL };
static const char *const hole_missing_names[] = { "fail", "dump", NULL };

/* Most of them cannot change under a pipeline. */
#define OPTION(opt_name, field, opt_type, ...)                                                     \
	{                                                                                          \
		.name = opt_name, .offset = offsetof(struct opts, field), .type = opt_type,        \
		.before_prepare = true, __VA_ARGS__                                                \
	}

/* clang-format off */
const struct opt_desc opt_descs[] = {
	OPTION("pmc", pmc, OPT_ENUM, .values = "auto|scan|pread", .names = pmc_names,
	       .summary = "how pagemap is read: PAGEMAP_SCAN or pread"),
	OPTION("pmc-cache", pmc_cache, OPT_BOOL, .values = "on|off",
	       .summary = "one fill of the pagemap cache serves several small VMAs"),
	OPTION("xfer", xfer, OPT_ENUM, .values = "local|null|server", .names = xfer_names,
	       .summary = "pages go to files, nowhere (rehearsal), a page server"),
	OPTION("server", server, OPT_STRING, .values = "HOST:PORT|unix:PATH",
	       .summary = "the page server of `set xfer server`"),
	OPTION("wire", wire, OPT_ENUM, .values = "auto|3.17|4.2", .names = wire_names,
	       .summary = "the server's protocol: CRIU up to 4.1 speaks 3.17"),
	OPTION("timeout", timeout_s, OPT_UINT, .values = "SECONDS", .min = 1, .max = 86400,
	       .summary = "longest wait for the page server"),
	OPTION("dir", dir, OPT_STRING, .values = "DIR",
	       .summary = "where commit puts the images; empty: name it at commit"),
	OPTION("pipe-pages", pipe_pages, OPT_UINT, .values = "N", .min = 1, .max = 1u << 18,
	       .summary = "how many pages a pipe is asked to hold"),
	OPTION("lazy", lazy, OPT_BOOL, .values = "on|off",
	       .summary = "mark pages that may be restored lazily"),
	OPTION("mode", mode, OPT_ENUM, .values = "dump|pre-dump", .names = mode_names,
	       .summary = "the last dump, or one that others build on"),
	OPTION("pre-dump", pre_dump, OPT_ENUM, .values = "splice|read", .names = pre_dump_names,
	       .summary = "pre-dump by pipes while frozen, or by reading after"),
	OPTION("parent", parent, OPT_STRING, .values = "DIR",
	       .summary = "images that unchanged pages are left in; empty: none"),
	OPTION("holes-at-server", holes_at_server, OPT_BOOL, .values = "on|off",
	       .summary = "leave pages in a parent that is at a page server"),
	OPTION("track", track, OPT_ENUM, .values = "auto|soft-dirty|uffd|none", .names = track_names,
	       .summary = "how writes are tracked from the next commit on"),
	OPTION("hole-missing", hole_missing, OPT_ENUM, .values = "fail|dump", .names = hole_missing_names,
	       .summary = "a clean page that the parent lacks: stop, or dump it"),
	OPTION("zero", zero, OPT_ENUM, .values = "keep|drop", .names = zero_names,
	       .summary = "pages of private memory that hold only zeroes"),
	OPTION("track-shmem", track_shmem, OPT_BOOL, .values = "on|off",
	       .summary = "pstate maps for shared memory (CRIU_TRACK_SHMEM)"),
	{ .name = "reserve", .offset = offsetof(struct opts, reserve), .type = OPT_ENUM,
	  .values = "off|on|auto", .names = reserve_names,
	  .summary = "attach makes room for the pages before the freeze (tmpfs)" },
	{ .name = "early", .offset = offsetof(struct opts, early), .type = OPT_BOOL,
	  .values = "on|off", .summary = "attach reads the mappings before the freeze" },
	{ .name = "thaw", .offset = offsetof(struct opts, thaw), .type = OPT_ENUM,
	  .values = "off|drained|committed|auto", .names = thaw_names,
	  .summary = "commit lets the target run: pages in files, or published" },
	{ .name = "preflight", .offset = offsetof(struct opts, preflight), .type = OPT_ENUM,
	  .values = "off|warn|refuse", .names = preflight_names,
	  .summary = "what would make CRIU fail: told, or attach and commit refuse" },
	{ .name = "criu", .offset = offsetof(struct opts, criu), .type = OPT_STRING,
	  .values = "PATH", .summary = "the criu of handoff; empty: $CRIU, else the one in PATH" },
	{ .name = "leave-stopped", .offset = offsetof(struct opts, leave_stopped), .type = OPT_BOOL,
	  .values = "on|off", .summary = "detach leaves the target stopped (SIGSTOP)" },
	{ .name = "watch", .offset = offsetof(struct opts, watch), .type = OPT_ENUM,
	  .values = "light|full", .names = watch_names,
	  .summary = "stop a watched criu where needed, or at all its calls" },
	{ .name = NULL },
};
/* clang-format on */

void opts_init(struct opts *o)
{
	*o = (struct opts){
		.pmc = PMC_AUTO,
		.pmc_cache = true,
		.xfer = XFER_LOCAL,
		.timeout_s = 60,
		.pipe_pages = PIPE_ASK_PAGES,
		.lazy = true,
		.track = OPT_TRACK_NONE,
		.preflight = PREFLIGHT_WARN,
	};
}

void opts_deinit(struct opts *o)
{
	free(o->dir);
	free(o->parent);
	free(o->server);
	free(o->criu);
	free(o->reserve_for);
	o->dir = o->parent = o->server = o->criu = o->reserve_for = NULL;
}

const struct opt_desc *opt_find(const char *name)
{
	return opt_find_in(opt_descs, name);
}
