/* SPDX-License-Identifier: GPL-3.0-or-later */
/* find, strings: what the memory of a task holds, in a set, an archive or a live dump */
#include <ctype.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "proto/report.pb-c.h"
#include "proto/message.h"
#include "shell/cmd.h"
#include "shell/cmds.h"
#include "shell/mem_walk.h"

#define BLOCK WALK_BLOCK
#define KEEP 4096u        /* of the block before, so that nothing is missed at the seam */
#define PATTERN_MAX 1024u /* less than KEEP */
#define CONTEXT_MAX 256u
#define STRING_MAX 1024u
#define HITS_DEFAULT 1000u

enum find_how { FIND_TEXT, FIND_REGEX, FIND_POINTER, FIND_STRINGS };

struct find {
	struct shell *sh;
	enum find_how how;
	const struct cmd_entry *cmd;
	/* what */
	uint8_t pattern[PATTERN_MAX];
	size_t len;
	regex_t regex;
	bool has_regex;
	uint64_t from, to; /* FIND_POINTER: values */
	uint64_t min;      /* FIND_STRINGS */
	/* where */
	struct mem_walk w;
	/* how much */
	uint64_t context, max;
	/* state */
	Stepdump__FindReport *r;
	uint64_t at;   /* address of buf */
	size_t fill;   /* bytes in buf */
	size_t seen;   /* of them, seen before */
	uint64_t last; /* address of the last hit; UINT64_MAX: none */
	char text[STRING_MAX + 1];
	size_t text_len;
	uint64_t text_at;
	bool full;
	uint8_t *buf; /* KEEP + BLOCK */
};

/* ---- hits ----------------------------------------------------------------------------------- */

static void find_hit(struct find *f, uint64_t vaddr, const uint8_t *p, size_t len, size_t before,
		     size_t after)
{
	Stepdump__FindHit *h;

	f->r->found++;
	if (f->r->n_hits == f->max) {
		f->full = true;
		return;
	}
	h = msg_push(&f->r->hits, &f->r->n_hits, sizeof(*h));
	stepdump__find_hit__init(h);
	h->vaddr = vaddr;
	h->length = len;
	SET(h, vma_index, f->w.vma->index);
	h->name = xstrdup(f->w.vma->name && *f->w.vma->name ? f->w.vma->name : f->w.vma->kind);
	SET(h, before, before);
	h->bytes.len = before + len + after;
	h->bytes.data = xmemdup(p - before, h->bytes.len);
	h->has_bytes = true;
}

/* A match at `off` of the buffer. */
static void find_match(struct find *f, size_t off, size_t len)
{
	size_t before = off < f->context ? off : f->context;
	size_t left = f->fill - off - len, after = left < f->context ? left : f->context;

	if (off + len <= f->seen || f->at + off == f->last)
		return;
	f->last = f->at + off;
	find_hit(f, f->at + off, f->buf + off, len, before, after);
}

static void find_text(struct find *f)
{
	const uint8_t *p = f->buf, *end = f->buf + f->fill;

	while (!f->full && (p = memmem(p, (size_t)(end - p), f->pattern, f->len)))
		find_match(f, (size_t)(p++ - f->buf), f->len);
}

static void find_regex(struct find *f)
{
	size_t at = 0;

	while (!f->full && at < f->fill) {
		regmatch_t m = { .rm_so = (regoff_t)at, .rm_eo = (regoff_t)f->fill };

		if (regexec(&f->regex, (char *)f->buf, 1, &m, REG_STARTEND))
			return;
		size_t len = (size_t)(m.rm_eo - m.rm_so);

		if (len)
			find_match(f, (size_t)m.rm_so, len < KEEP ? len : KEEP);
		at = (size_t)m.rm_eo + !len;
	}
}

static void find_pointers(struct find *f)
{
	for (size_t off = (size_t)(-f->at & 7); off + 8 <= f->fill && !f->full; off += 8) {
		uint64_t v;

		memcpy(&v, f->buf + off, sizeof(v));
		if (v >= f->from && v < f->to)
			find_match(f, off, sizeof(v));
	}
}

/* A string ends here, or the memory does. */
static void strings_end(struct find *f)
{
	if (f->text_len >= f->min && !f->full)
		find_hit(f, f->text_at, (uint8_t *)f->text,
			 f->text_len < STRING_MAX ? f->text_len : STRING_MAX, 0, 0);
	f->text_len = 0;
}

static void find_strings(struct find *f)
{
	for (size_t i = f->seen; i < f->fill && !f->full; i++) {
		uint8_t c = f->buf[i];

		if ((c < 0x20 || c >= 0x7f) && c != '\t') {
			strings_end(f);
			continue;
		}
		if (!f->text_len)
			f->text_at = f->at + i;
		if (f->text_len < STRING_MAX)
			f->text[f->text_len] = (char)c;
		f->text_len++;
	}
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void find_gap(void *arg)
{
	struct find *f = arg;

	if (f->how == FIND_STRINGS)
		strings_end(f);
	f->fill = f->seen = 0;
}

static void find_block(void *arg, uint64_t at, const uint8_t *data, size_t len)
{
	struct find *f = arg;
	size_t keep = f->fill && f->at + f->fill == at ? (f->fill < KEEP ? f->fill : KEEP) : 0;

	if (!keep)
		find_gap(f);
	memmove(f->buf, f->buf + f->fill - keep, keep);
	memcpy(f->buf + keep, data, len);
	f->at = at - keep;
	f->seen = keep;
	f->fill = keep + len;
	f->r->searched += len;
	switch (f->how) {
	case FIND_TEXT:
		find_text(f);
		break;
	case FIND_REGEX:
		find_regex(f);
		break;
	case FIND_POINTER:
		find_pointers(f);
		break;
	case FIND_STRINGS:
		find_strings(f);
	}
	f->w.stop = f->full;
}

/* ---- arguments ------------------------------------------------------------------------------ */

static struct err *find_hex(struct find *f, const char *text)
{
	for (const char *p = text; *p;) {
		unsigned byte;

		if (*p == ' ') {
			p++;
			continue;
		}
		if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) ||
		    f->len == sizeof(f->pattern))
			return err_hint(err_new(ERR_USAGE, "\"%s\" is not a row of bytes", text),
					"as hex digits, two for each byte: 7f454c46");
		sscanf(p, "%2x", &byte);
		f->pattern[f->len++] = (uint8_t)byte;
		p += 2;
	}
	return f->len ? NULL : err_new(ERR_USAGE, "nothing to look for");
}

static struct err *find_plain(struct find *f, const char *text)
{
	f->len = strlen(text);
	if (!f->len || f->len > sizeof(f->pattern))
		return err_new(ERR_USAGE, "a text of 1 to %zu bytes", sizeof(f->pattern));
	memcpy(f->pattern, text, f->len);
	return NULL;
}

static struct err *find_compile(struct find *f, const char *text)
{
	char why[120];
	int rc = regcomp(&f->regex, text, REG_EXTENDED | REG_NEWLINE);

	f->has_regex = !rc;
	f->how = FIND_REGEX;
	if (!rc)
		return NULL;
	regerror(rc, &f->regex, why, sizeof(why));
	return err_new(ERR_USAGE, "\"%s\" is not a regular expression: %s", text, why);
}

static struct err *find_span(struct find *f, const char *text, uint64_t *from, uint64_t *to)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *dash = strchr(copy, '-');

	if (!dash)
		return err_new(ERR_USAGE, "\"%s\" is not a range START-END", text);
	*dash = 0;
	TRY(arg_addr(f->sh, copy, from));
	TRY(arg_addr(f->sh, dash + 1, to));
	return *from < *to ? NULL : err_new(ERR_USAGE, "the range %s is empty", text);
}

/* A pointer into the VMA of an address, or into a range. */
static struct err *find_pointer(struct find *f, const char *text)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;
	uint64_t addr;

	f->how = FIND_POINTER;
	if (strchr(text, '-'))
		return find_span(f, text, &f->from, &f->to);
	TRY(arg_addr(f->sh, text, &addr));
	TRY(shell_snap(f->sh, &req, &s));
	for (size_t i = 0; i < s->n_vmas; i++)
		if (addr >= s->vmas[i]->start && addr < s->vmas[i]->end) {
			f->from = s->vmas[i]->start;
			f->to = s->vmas[i]->end;
		}
	shell_snap_free(f->sh, s);
	return f->to ? NULL : err_new(ERR_USAGE, "nothing is mapped at %lx", addr);
}

static struct err *find_kind(struct find *f, const char *text)
{
	static const char *const kinds[] = { "heap", "stack", "file", "shared", "anon" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(text, kinds[i]))
			f->w.kind = kinds[i];
	return f->w.kind ? NULL :
			   err_hint(err_new(ERR_USAGE, "unknown kind \"%s\"", text),
				    "heap, stack, file, shared or anon");
}

/* An option with a value. */
static struct err *find_option(struct find *f, const char *name, const char *value, bool *known)
{
	uint64_t n = 0;

	*known = true;
	if (!strcmp(name, "--vma")) {
		TRY(arg_uint(value, "VMA", 0, INT32_MAX, &n));
		f->w.vma_index = (int64_t)n;
	} else if (!strcmp(name, "--range")) {
		return find_span(f, value, &f->w.start, &f->w.end);
	} else if (!strcmp(name, "--prot")) {
		f->w.prot = value;
	} else if (!strcmp(name, "--kind")) {
		return find_kind(f, value);
	} else if (!strcmp(name, "--context")) {
		return arg_uint(value, "number of bytes", 0, CONTEXT_MAX, &f->context);
	} else if (!strcmp(name, "--max")) {
		return arg_uint(value, "number of hits", 1, 1000000, &f->max);
	} else if (f->how == FIND_STRINGS && !strcmp(name, "--min")) {
		return arg_uint(value, "length", 1, STRING_MAX, &f->min);
	} else if (f->how != FIND_STRINGS && !strcmp(name, "-x")) {
		return find_hex(f, value);
	} else if (f->how != FIND_STRINGS && !strcmp(name, "-e")) {
		return find_compile(f, value);
	} else if (f->how != FIND_STRINGS && !strcmp(name, "-p")) {
		return find_pointer(f, value);
	} else {
		*known = false;
	}
	return NULL;
}

static struct err *find_args(struct find *f, const struct args *a)
{
	bool known;

	for (unsigned i = 0; i < a->argc; i++) {
		const char *w = a->argv[i];

		if (!strcmp(w, "--files")) {
			f->w.files = true;
			continue;
		}
		if (*w == '-' && i + 1 < a->argc) {
			TRY(find_option(f, w, a->argv[i + 1], &known));
			if (known) {
				i++;
				continue;
			}
		}
		if (f->how != FIND_TEXT || f->len || *w == '-')
			return cmd_usage(f->cmd);
		TRY(find_plain(f, w));
	}
	return f->how == FIND_TEXT && !f->len ? cmd_usage(f->cmd) : NULL;
}

/* ---- output --------------------------------------------------------------------------------- */

static void find_print(const struct find *f, struct out *o)
{
	const Stepdump__FindReport *r = f->r;

	for (size_t i = 0; i < r->n_hits; i++) {
		const Stepdump__FindHit *h = r->hits[i];

		out_printf(o, "%012lx  %-12.24s  ", h->vaddr, h->name);
		if (f->how == FIND_POINTER) {
			uint64_t v;

			memcpy(&v, h->bytes.data + h->before, sizeof(v));
			out_printf(o, "-> %012lx\n", v);
			continue;
		}
		for (size_t k = 0; k < h->bytes.len; k++) {
			uint8_t c = h->bytes.data[k];

			out_printf(o, "%c", c >= 0x20 && c < 0x7f ? c : '.');
		}
		out_printf(o, "\n");
	}
	out_printf(o, "%lu found%s in %lu bytes", r->found - f->full,
		   f->full ? ", and there are more," : "", r->searched);
	if (r->unreadable)
		out_printf(o, "; %lu bytes could not be read", r->unreadable);
	out_printf(o, "\n");
	if (f->full)
		out_printf(o, "--max N shows more\n");
}

static struct err *find_run(struct find *f, const struct args *a, struct out *o)
{
	struct err *e = find_args(f, a);

	f->last = UINT64_MAX;
	f->buf = xzalloc(KEEP + BLOCK);
	f->r = xzalloc(sizeof(*f->r));
	stepdump__find_report__init(f->r);
	f->w.sh = f->sh;
	f->w.arg = f;
	f->w.block = find_block;
	f->w.gap = find_gap;
	if (!e)
		e = mem_walk(&f->w);
	f->r->unreadable = f->w.unreadable;
	if (!e) {
		f->r->has_more = true;
		f->r->more = f->full;
		out_message(o, &f->r->base);
		if (!o->json)
			find_print(f, o);
	}
	if (f->has_regex)
		regfree(&f->regex);
	stepdump__find_report__free_unpacked(f->r, NULL);
	free(f->buf);
	return e;
}

static struct err *find_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct find f = { .sh = sh,
			  .cmd = &cmd_find,
			  .w = { .vma_index = -1, .end = UINT64_MAX },
			  .context = 16,
			  .max = HITS_DEFAULT };

	return find_run(&f, a, o);
}

static struct err *strings_exec(struct shell *sh, const struct args *a, struct out *o)
{
	struct find f = { .sh = sh,
			  .cmd = &cmd_strings,
			  .how = FIND_STRINGS,
			  .w = { .vma_index = -1, .end = UINT64_MAX },
			  .min = 6,
			  .max = HITS_DEFAULT };

	return find_run(&f, a, o);
}

#define WHERE_HELP                                                                                 \
	"--vma N, --range START-END, --prot rw, --kind heap|stack|file|shared|anon narrow it.  "   \
	"Looked at is what a dump takes, and what holes and shared memory have; --files adds "     \
	"what is only in the mapped files.  It works on an attached target, where a page that is " \
	"not in memory is left alone (shared memory too), and in an image set or an archive "      \
	"(`open`), where it is the task that was opened.  "

const struct cmd_entry cmd_find = {
	.name = "find",
	.group = GROUP_LOOK,
	.args = { 1, ARGS_MANY, comp_addr },
	.usage =
		"TEXT | -x HEX | -e REGEX | -p ADDR|START-END [--vma N] [--range START-END] [--prot P] [--kind K] [--context N] [--max N] [--files]",
	.summary = "search the memory of a task",
	.help = "Looks for a text, for bytes (-x), for what a regular expression matches (-e), or for "
		"pointers into the mapping of an address or into a range (-p).  " WHERE_HELP
		"--context N shows N bytes on either side, --max N so many hits (1000).",
	.examples =
		(const struct cmd_example[]){
			{ "find ELF", "", "attach %P" },
			{ "find -x 7f454c46 --prot x --files", "", "attach %P" },
			{ "find -p $sp --kind stack", "pointers into the stack", "attach %P" },
			{ 0 } },
	.flags = CMD_LIVE | CMD_NEEDS_TARGET | CMD_SETS,
	.exec = find_exec,
};

const struct cmd_entry cmd_strings = {
	.name = "strings",
	.group = GROUP_LOOK,
	.args = { 0, ARGS_MANY, NULL },
	.usage =
		"[--min N] [--vma N] [--range START-END] [--prot P] [--kind K] [--max N] [--files]",
	.summary = "texts in the memory of a task",
	.help = "Runs of at least 6 (--min N) printable characters.  " WHERE_HELP
		"--max N shows so many (1000).",
	.examples =
		(const struct cmd_example[]){ { "strings --kind stack --min 8", "", "attach %P" },
					      { 0 } },
	.flags = CMD_LIVE | CMD_NEEDS_TARGET | CMD_SETS,
	.exec = strings_exec,
};
