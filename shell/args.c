/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What commands do with their arguments. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cmd.h"

char *args_join(const struct args *a)
{
	char *text = xstrdup("");

	for (unsigned i = 0; i < a->argc; i++) {
		AUTO_FREE char *before = text;

		text = xasprintf("%s%s%s", before, i ? " " : "", a->argv[i]);
	}
	return text;
}

struct err *arg_uint(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	uint64_t n = strtoull(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	if (*text < '0' || *text > '9' || *end || errno || n < min || n > max)
		return err_new(ERR_USAGE, "\"%s\" is not a %s", text, what);
	*ret = n;
	return NULL;
}

/* Hex digits, the whole of [text, end). */
static bool arg_hex(const char *text, const char *end, uint64_t *ret)
{
	char digits[17], *stop;

	if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	size_t n = (size_t)(end - text);
	if (!n || n > 16 || strspn(text, "0123456789abcdefABCDEF") < n)
		return false;
	memcpy(digits, text, n);
	digits[n] = '\0';
	*ret = strtoull(digits, &stop, 16);
	return true;
}

static struct err *arg_register(struct shell *sh, const char *name, size_t len, uint64_t *ret)
{
	struct snap_request req = { .parts = SNAP_THREADS };
	Stepdump__Snapshot *s;
	bool ip = len == 3 && (!strncmp(name, "$ip", 3) || !strncmp(name, "$pc", 3));
	bool sp = len == 3 && !strncmp(name, "$sp", 3);

	if (!ip && !sp)
		return err_hint(err_new(ERR_USAGE, "unknown register \"%.*s\"", (int)len, name),
				"$ip and $sp of the first thread");
	TRY(shell_snap(sh, &req, &s));
	struct err *e = NULL;
	if (s->n_threads)
		*ret = ip ? s->threads[0]->ip : s->threads[0]->sp;
	else
		e = err_new(ERR_STATE, "no target, so no %.*s", (int)len, name);
	shell_snap_free(sh, s);
	return e;
}

/* The beginning of the first VMA whose name is all of [name, name + len): "[heap]". */
static struct err *arg_vma_name(struct shell *sh, const char *name, size_t len, uint64_t *ret)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;

	TRY(shell_snap(sh, &req, &s));
	struct err *e = err_hint(err_new(ERR_USAGE, "no VMA is called \"%.*s\"", (int)len, name),
				 "`show vmas` lists them");

	for (size_t i = 0; i < s->n_vmas; i++) {
		const char *n = s->vmas[i]->name;

		if (e && n && strlen(n) == len && !strncmp(n, name, len)) {
			*ret = s->vmas[i]->start;
			err_free(e);
			e = NULL;
		}
	}
	shell_snap_free(sh, s);
	return e;
}

struct err *arg_vma_index(struct shell *sh, uint64_t index, uint64_t *ret)
{
	struct snap_request req = { .parts = SNAP_VMAS };
	Stepdump__Snapshot *s;
	struct err *e = NULL;

	TRY(shell_snap(sh, &req, &s));
	if (index < s->n_vmas)
		*ret = s->vmas[index]->start;
	else
		e = err_hint(err_new(ERR_USAGE, "there is no VMA %lu", index),
			     "`show vmas` lists them");
	shell_snap_free(sh, s);
	return e;
}

struct err *arg_addr(struct shell *sh, const char *text, uint64_t *ret)
{
	/* A VMA may have any name, "[anon:a+b]" too. */
	const char *bracket = *text == '[' ? strrchr(text, ']') : NULL;
	size_t len = bracket ? (size_t)(bracket + 1 - text) : strcspn(text, "+-");
	uint64_t base = 0, off = 0;

	if (text[len] && !arg_hex(text + len + 1, text + strlen(text), &off))
		return err_new(ERR_USAGE, "\"%s\" is not an address", text);
	if (text[len] && text[len] != '+' && text[len] != '-')
		return err_new(ERR_USAGE, "\"%s\" is not an address", text);
	if (*text == '$')
		TRY(arg_register(sh, text, len, &base));
	else if (bracket)
		TRY(arg_vma_name(sh, text, len, &base));
	else if (!arg_hex(text, text + len, &base))
		return err_hint(
			err_new(ERR_USAGE, "\"%s\" is not an address", text),
			"hex digits, $ip, $sp, or the name of a VMA like [heap], each with +N or -N");
	if (text[len] == '-' ? __builtin_sub_overflow(base, off, ret) :
			       __builtin_add_overflow(base, off, ret))
		return err_new(ERR_USAGE, "\"%s\" is outside of the address space", text);
	return NULL;
}
