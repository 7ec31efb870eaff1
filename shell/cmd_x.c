/* SPDX-License-Identifier: GPL-3.0-or-later */
/* x: bytes of the target, of the pipes, of the staged image or of the parent */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"
#include "shell/cmds.h"
#include "views/panes.h"

#define DEFAULT_COUNT 64
#define MAX_BYTES (1u << 20) /* of one peek */
#define ROW 16
#define STRING_BYTES 256u /* of one text, at most */

/* "4w", "16", "gx": a count and a unit, in gdb's letters; the x in "4gx" changes nothing, as we
 * always print hex. */
static struct err *x_parse_mod(const char *mod, struct x_state *x)
{
	static const char units[] = "bhwg";
	const char *p = mod, *u;
	char *end;

	if (isdigit((unsigned char)*p)) {
		unsigned long n = strtoul(p, &end, 10);

		if (!n || n > MAX_BYTES)
			return err_new(ERR_USAGE, "the count of x is from 1 to %u", MAX_BYTES);
		x->count = (uint32_t)n;
		p = end;
	}
	for (; *p; p++) {
		if (*p == 's') {
			x->strings = true;
			continue;
		}
		u = strchr(units, *p);
		if (u)
			x->unit = 1u << (u - units);
		else if (*p != 'x')
			return err_hint(err_new(ERR_USAGE, "x/%s: \"%c\" is not a unit", mod, *p),
					"b, h, w and g are 1, 2, 4 and 8 bytes, s is text");
	}
	return NULL;
}

static struct err *x_parse_source(const char *text, char *buf, size_t len)
{
	static const char *const names[] = { "target", "pipe", "image", "parent" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* "p" means "pipe", not "parent". */
		if (*text && !strncmp(names[i], text, strlen(text))) {
			snprintf(buf, len, "%s", names[i]);
			return NULL;
		}
	}
	return err_hint(err_new(ERR_USAGE, "unknown source of bytes \"%s\"", text),
			"target, pipe, image or parent");
}

static uint64_t x_load(const uint8_t *p, uint32_t unit)
{
	uint64_t v = 0;

	memcpy(&v, p, unit); /* target and we have the same byte order */
	return v;
}

/* "7f3a41c0c000  6c 69 62 63  libc" */
static void x_print_row(struct out *o, uint64_t addr, const uint8_t *p, size_t n, uint32_t unit)
{
	out_printf(o, "%012lx ", addr);
	for (size_t i = 0; i < ROW; i += unit) {
		if (i + unit <= n)
			out_printf(o, " %0*lx", (int)unit * 2, x_load(p + i, unit));
		else
			out_printf(o, " %*s", (int)unit * 2, "");
		if (unit == 1 && i == ROW / 2 - 1)
			out_printf(o, " ");
	}
	out_printf(o, "  ");
	for (size_t i = 0; i < n; i++)
		out_printf(o, "%c", p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.');
	out_printf(o, "\n");
}

/* Texts that end with a NUL, one a line; at most `count` of them.  Returns the bytes that they take. */
static size_t x_print_strings(struct out *o, uint64_t addr, const uint8_t *p, size_t n,
			      uint32_t count)
{
	size_t at = 0;

	while (count-- && at < n) {
		size_t len = strnlen((const char *)p + at, n - at);

		out_printf(o, "%012lx  \"", addr + at);
		for (size_t i = at; i < at + len; i++)
			out_printf(o, p[i] >= 0x20 && p[i] < 0x7f ? "%c" : "\\x%02x", p[i]);
		out_printf(o, "\"%s\n", at + len == n ? "..." : "");
		at += len + 1;
	}
	return at < n ? at : n;
}

static struct err *x_dump(struct shell *sh, const struct x_state *x, struct out *o,
			  uint64_t *next_ret)
{
	struct snap_request req = { .parts = SNAP_PEEK };
	Stepdump__Snapshot *s;
	struct err *e = NULL;

	req.peek.vaddr = x->next;
	req.peek.len = x->strings ? STRING_BYTES * x->count : x->count * x->unit;
	req.peek_source = x->source;
	TRY(shell_snap(sh, &req, &s));
	const Stepdump__Peek *p = s->n_peeks ? s->peeks[0] : NULL;
	if (!p || !p->data.len) {
		e = err_vaddr(err_new(ERR_STATE, "cannot read %lx from the %s: %s", x->next,
				      x->source, p && p->error ? p->error : "nothing there"),
			      x->next);
	} else {
		out_message(o, &p->base);
		for (size_t i = 0; !x->strings && i < p->data.len; i += ROW)
			x_print_row(o, x->next + i, p->data.data + i,
				    p->data.len - i < ROW ? p->data.len - i : ROW, x->unit);
		size_t used = p->data.len;

		if (x->strings)
			used = x_print_strings(o, x->next, p->data.data, p->data.len, x->count);
		else if (p->error)
			out_printf(o, "(short: %s)\n", p->error);
		*next_ret = x->next + used;
	}
	shell_snap_free(sh, s);
	return e;
}

static struct err *x_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct x_state x = sh->x;

	if (!x.valid || a->argc) {
		x.count = DEFAULT_COUNT;
		x.unit = 1;
		x.strings = false;
		strcpy(x.source, sh->set ? "image" : "target");
	}
	if (a->mod)
		TRY(x_parse_mod(a->mod, &x));
	if (x.strings && a->mod && !isdigit((unsigned char)*a->mod))
		x.count = 1;
	if ((uint64_t)x.count * (x.strings ? STRING_BYTES : x.unit) > MAX_BYTES)
		return err_new(ERR_USAGE, "x shows at most %u bytes at once", MAX_BYTES);
	if (a->argc)
		TRY(arg_addr(sh, a->argv[0], &x.next));
	else if (!x.valid)
		return cmd_usage(&cmd_x);
	if (a->argc > 1)
		TRY(x_parse_source(a->argv[1], x.source, sizeof(x.source)));
	TRY(x_dump(sh, &x, o, &x.next));
	x.valid = true;
	sh->x = x;
	return NULL;
}

static char *x_repeat(const struct shell *sh, const struct args *a)
{
	return xstrdup("x"); /* continues where it stopped, with the same unit and source */
}

const struct cmd_entry cmd_x = {
	.name = "x",
	.group = GROUP_LOOK,
	.args = { 0, 2, comp_x },
	.usage = "[/N[b|h|w|g|s]] ADDR [target|pipe|image|parent]",
	.summary = "print bytes of the target, a pipe or an image",
	.help = "N units of 1, 2, 4 or 8 bytes (b, h, w, g), or texts (s); without N, 64 bytes or one text.  Enter, or "
		"x alone, continues where it stopped.  With `pipe` and `image` the same "
		"address is looked up in what was drained or staged, with `parent` in the "
		"images that holes refer to, so that all of them can be compared.  ADDR is as "
		"for `why`.  In an image set (`open DIR`) every byte of the task is found: in the "
		"set, its parents, a shared object, or in the mapped file if that is on this "
		"machine as it was.",
	.examples =
		(const struct cmd_example[]){
			{ "x $sp", "64 bytes at the stack pointer", "attach %P" },
			{ "x/8g $sp", "8 words of 8 bytes", "attach %P" },
			{ "x/16b $sp image", "the same bytes in the staged image",
			  "attach %P; continue" },
			{ 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_SETS | CMD_MOD,
	.repeat = x_repeat,
	.exec = x_exec,
};
