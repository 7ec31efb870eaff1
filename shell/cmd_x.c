/* SPDX-License-Identifier: GPL-3.0-or-later */
/* x: bytes of the target, of the pipes, of the staged image or of the parent */
#include <capstone/capstone.h>
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
		u = strchr(units, *p);
		if (*p == 's' || *p == 'i') {
			x->form = *p;
			x->unit = 1;
			if (p == mod)
				x->count = *p == 's' ? 1 : 10;
		} else if (u)
			x->unit = 1u << (u - units);
		else if (*p != 'x')
			return err_hint(
				err_new(ERR_USAGE, "x/%s: \"%c\" is not a unit", mod, *p),
				"b, h, w and g are 1, 2, 4 and 8 bytes, s is a text, i an instruction");
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

/* ---- texts and instructions ------------------------------------------------------------------ */

#define TEXT_MAX 4096u /* of one text */
#define INSTR_MAX 16u  /* bytes of one instruction, and more */

/* What is there, up to `len` bytes; fails if it is nothing. */
static struct err *x_bytes(struct shell *sh, const struct x_state *x, uint32_t len, uint8_t *buf,
			   size_t *got)
{
	struct snap_request req = { .parts = SNAP_PEEK };
	Stepdump__Snapshot *s;
	struct err *e = NULL;

	req.peek.vaddr = x->next;
	req.peek.len = len;
	req.peek_source = x->source;
	TRY(shell_snap(sh, &req, &s));
	const Stepdump__Peek *p = s->n_peeks ? s->peeks[0] : NULL;

	*got = p ? p->data.len : 0;
	if (*got)
		memcpy(buf, p->data.data, *got);
	else
		e = err_vaddr(err_new(ERR_STATE, "cannot read %lx from the %s: %s", x->next,
				      x->source, p && p->error ? p->error : "nothing there"),
			      x->next);
	shell_snap_free(sh, s);
	return e;
}

static void x_line(struct out *o, json_object *lines, uint64_t addr, const char *text)
{
	json_object *j = json_object_new_object();

	out_printf(o, "%012lx  %s\n", addr, text);
	json_object_object_add(j, "vaddr", json_object_new_uint64(addr));
	json_object_object_add(j, "text", json_object_new_string(text));
	json_object_array_add(lines, j);
}

static struct err *x_texts(struct shell *sh, struct x_state *x, struct out *o, json_object *lines)
{
	uint8_t buf[TEXT_MAX];
	char text[4 * TEXT_MAX + 8];
	size_t got;

	for (uint32_t n = 0; n < x->count; n++) {
		TRY(x_bytes(sh, x, sizeof(buf), buf, &got));

		size_t len = strnlen((char *)buf, got), at = 0;

		text[at++] = '"';
		for (size_t i = 0; i < len; i++)
			at += (size_t)sprintf(text + at,
					      buf[i] >= 0x20 && buf[i] < 0x7f ? "%c" : "\\x%02x",
					      buf[i]);
		snprintf(text + at, sizeof(text) - at, "\"%s", len == got ? "..." : "");
		x_line(o, lines, x->next, text);
		x->next += len + (len < got);
	}
	return NULL;
}

#ifdef __aarch64__
#define X_ARCH CS_ARCH_ARM64, CS_MODE_ARM
#else
#define X_ARCH CS_ARCH_X86, CS_MODE_64
#endif

static struct err *x_instructions(struct shell *sh, struct x_state *x, struct out *o,
				  json_object *lines)
{
	size_t room = (size_t)x->count * INSTR_MAX, got;
	AUTO_FREE uint8_t *buf = NULL;
	struct err *e;
	cs_insn *insn;
	csh cs;

	if (room > MAX_BYTES)
		return err_new(ERR_USAGE, "x/i shows at most %u instructions",
			       MAX_BYTES / INSTR_MAX);
	buf = xzalloc(room);
	TRY(x_bytes(sh, x, (uint32_t)room, buf, &got));
	if (cs_open(X_ARCH, &cs) != CS_ERR_OK)
		return err_new(ERR_STATE, "capstone does not know this architecture");
	cs_option(cs, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT); /* as gdb and objdump */

	size_t nr = cs_disasm(cs, buf, got, x->next, x->count, &insn);

	for (size_t i = 0; i < nr; i++) {
		AUTO_FREE char *text = xasprintf("%s%s%s", insn[i].mnemonic,
						 *insn[i].op_str ? " " : "", insn[i].op_str);

		x_line(o, lines, insn[i].address, text);
		x->next = insn[i].address + insn[i].size;
	}
	e = nr ? NULL :
		 err_vaddr(err_new(ERR_STATE, "%lx: no instruction (byte %02x)", x->next, buf[0]),
			   x->next);
	if (nr)
		cs_free(insn, nr);
	cs_close(&cs);
	return e;
}

static struct err *x_formed(struct shell *sh, struct x_state *x, struct out *o)
{
	json_object *lines = json_object_new_array();
	struct err *e = x->form == 's' ? x_texts(sh, x, o, lines) : x_instructions(sh, x, o, lines);

	if (o->json && !e)
		out_member(o, x->form == 's' ? "texts" : "instructions", json_object_get(lines));
	json_object_put(lines);
	return e;
}

static struct err *x_dump(struct shell *sh, const struct x_state *x, struct out *o,
			  uint64_t *next_ret)
{
	struct snap_request req = { .parts = SNAP_PEEK };
	Stepdump__Snapshot *s;
	struct err *e = NULL;

	req.peek.vaddr = x->next;
	req.peek.len = x->count * x->unit;
	req.peek_source = x->source;
	TRY(shell_snap(sh, &req, &s));
	const Stepdump__Peek *p = s->n_peeks ? s->peeks[0] : NULL;
	if (!p || !p->data.len) {
		e = err_vaddr(err_new(ERR_STATE, "cannot read %lx from the %s: %s", x->next,
				      x->source, p && p->error ? p->error : "nothing there"),
			      x->next);
	} else {
		out_message(o, &p->base);
		for (size_t i = 0; i < p->data.len; i += ROW)
			x_print_row(o, x->next + i, p->data.data + i,
				    p->data.len - i < ROW ? p->data.len - i : ROW, x->unit);
		if (p->error)
			out_printf(o, "(short: %s)\n", p->error);
		*next_ret = x->next + p->data.len;
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
		x.form = 0;
		strcpy(x.source, sh->set ? "image" : "target");
	}
	if (a->mod)
		TRY(x_parse_mod(a->mod, &x));
	if ((uint64_t)x.count * x.unit > MAX_BYTES)
		return err_new(ERR_USAGE, "x shows at most %u bytes at once", MAX_BYTES);
	if (a->argc)
		TRY(arg_addr(sh, a->argv[0], &x.next));
	else if (!x.valid)
		return cmd_usage(&cmd_x);
	if (a->argc > 1)
		TRY(x_parse_source(a->argv[1], x.source, sizeof(x.source)));
	TRY(x.form ? x_formed(sh, &x, o) : x_dump(sh, &x, o, &x.next));
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
	.usage = "[/N[b|h|w|g|s|i]] ADDR [target|pipe|image|parent]",
	.summary = "print bytes of the target, a pipe or an image",
	.help = "N units of 1, 2, 4 or 8 bytes (b, h, w, g); without N, 64 bytes.  s are texts up to a "
		"NUL, i are instructions.  Enter, or "
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
			{ "x/4i $ip", "the next instructions", "attach %P" },
			{ "x/16b $sp image", "the same bytes in the staged image",
			  "attach %P; continue" },
			{ 0 } },
	.flags = CMD_LIVE | CMD_REPLAYS | CMD_NEEDS_TARGET | CMD_SETS | CMD_MOD,
	.repeat = x_repeat,
	.exec = x_exec,
};
