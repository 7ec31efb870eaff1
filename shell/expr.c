/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/expr.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "proto/json.h"
#include "proto/parts.h"

#define MAX_NESTING 64

/* ---- names ------------------------------------------------------------------------------------- */

static const struct {
	const char *field;
	uint32_t part;
	bool bare; /* its fields can be named without it */
} expr_roots[] = {
	{ "counters", SNAP_COUNTERS, true },
	{ "page_pipe", SNAP_PAGE_PIPE | SNAP_IOVS | SNAP_HOLES, true },
	{ "pmc", SNAP_PMC, true },
	{ "xfer", SNAP_XFER, true },
	{ "cursor", SNAP_CURSOR, true },
	{ "target", SNAP_TARGET, true },
	{ "tracker", SNAP_TRACKER, true },
	{ "threads", SNAP_THREADS, false },
	{ "vmas", SNAP_VMAS | SNAP_VMA_COUNTS, false },
	{ "shmem", SNAP_SHMEM, false },
	{ "parents", SNAP_PARENTS, false },
	{ "tasks", SNAP_TASKS, false },
	{ "error", SNAP_ERROR, false },
	{ "checks", SNAP_CHECKS, false },
	{ "events", SNAP_EVENTS, false },
};
#define NR_ROOTS (sizeof(expr_roots) / sizeof(expr_roots[0]))

/* What people call things, and how the snapshot does. */
static const struct {
	const char *name, *path;
} expr_short[] = {
	{ "holes", "page_pipe.nr_holes" },     { "iovs", "page_pipe.nr_iovs" },
	{ "pipes", "page_pipe.nr_pipes" },     { "ppb", "page_pipe.ppbs" },
	{ "ppbs", "page_pipe.ppbs" },          { "phase", "cursor.phase" },
	{ "chunk", "cursor.chunk" },           { "unit", "cursor.unit" },
	{ "pages_out", "xfer.pages_written" },
};
#define NR_SHORT (sizeof(expr_short) / sizeof(expr_short[0]))

uint32_t expr_needs(const char *text)
{
	uint32_t needs = 0;

	if (strchr(text, '$'))
		needs |= SNAP_THREADS;
	for (size_t i = 0; i < NR_ROOTS; i++)
		if (expr_roots[i].bare || strstr(text, expr_roots[i].field))
			needs |= expr_roots[i].part;
	if (!strstr(text, "iovs")) /* a list of them for each pipe is long */
		needs &= ~(uint32_t)SNAP_IOVS;
	if (!strstr(text, "holes["))
		needs &= ~(uint32_t)SNAP_HOLES;
	return needs;
}

/* ---- the parser ------------------------------------------------------------------------------------ */

struct expr {
	const char *text, *at;
	const Stepdump__Snapshot *s;
	unsigned depth;
	unsigned decided; /* in so many right sides that no longer matter */
};

static void expr_blanks(struct expr *x)
{
	x->at += strspn(x->at, " \t");
}

static bool expr_take(struct expr *x, const char *op)
{
	expr_blanks(x);
	if (strncmp(x->at, op, strlen(op)))
		return false;
	x->at += strlen(op);
	return true;
}

static struct err *expr_bad(const struct expr *x, const char *what)
{
	return err_hint(
		err_new(ERR_USAGE, "\"%s\": %s%s%s", x->text, what, *x->at ? " at " : "", x->at),
		"numbers, + - * / %% == != < <= > >= && || ! ( ), registers such as $rsp, and "
		"fields such as pages_written, pmc.hits, ppb[3].pages_in");
}

static struct expr_value value_number(int64_t n)
{
	return (struct expr_value){ .kind = VALUE_NUMBER, .number = n };
}

static struct err *expr_or(struct expr *x, struct expr_value *ret);

/* One element or scalar of a field. */
static struct expr_value field_value(const ProtobufCFieldDescriptor *f, const void *at)
{
	struct expr_value v = { .kind = VALUE_NUMBER };

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		v.text = *(char *const *)at;
		v.kind = v.text ? VALUE_TEXT : VALUE_ABSENT;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		v.message = *(ProtobufCMessage *const *)at;
		v.kind = v.message ? VALUE_MESSAGE : VALUE_ABSENT;
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
		v.number = *(const int64_t *)at;
		break;
	case PROTOBUF_C_TYPE_UINT32:
		v.number = *(const uint32_t *)at;
		break;
	case PROTOBUF_C_TYPE_INT32:
		v.number = *(const int32_t *)at;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		v.number = *(const int *)at;
		break;
	case PROTOBUF_C_TYPE_BOOL:
		v.number = *(const protobuf_c_boolean *)at;
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		v.number = (int64_t) * (const double *)at;
		break;
	default:
		v.kind = VALUE_ABSENT;
	}
	return v;
}

static size_t field_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

/* Field `name` of m, with [N] behind it in the text if it is repeated. */
static struct err *expr_field(struct expr *x, const ProtobufCMessage *m,
			      const ProtobufCFieldDescriptor *f, struct expr_value *ret)
{
	const char *base = (const char *)m;
	struct expr_value index;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		bool has = f->label == PROTOBUF_C_LABEL_REQUIRED || !f->quantifier_offset ||
			   *(const protobuf_c_boolean *)(base + f->quantifier_offset);

		*ret = field_value(f, base + f->offset);
		if (!has && ret->kind == VALUE_NUMBER)
			ret->kind = VALUE_ABSENT;
		return NULL;
	}
	size_t nr = *(const size_t *)(base + f->quantifier_offset);
	bool bracket = expr_take(x, "[");

	/* `ppb 3` means ppb[3]. */
	if (!bracket && !isdigit((unsigned char)x->at[strspn(x->at, " \t")])) {
		*ret = value_number((int64_t)nr);
		return NULL;
	}
	if (bracket) {
		TRY(expr_or(x, &index));
		if (!expr_take(x, "]"))
			return expr_bad(x, "no ]");
	} else {
		char *end;

		index = value_number(strtoll(x->at, &end, 10));
		x->at = end;
	}
	*ret = (struct expr_value){ .kind = VALUE_ABSENT };
	if (index.kind == VALUE_NUMBER && index.number >= 0 && (uint64_t)index.number < nr)
		*ret = field_value(f, *(char *const *)(base + f->offset) +
					      (size_t)index.number * field_size(f));
	return NULL;
}

/* .name, any number of times. */
static struct err *expr_path(struct expr *x, struct expr_value *v)
{
	while (*x->at == '.' && isalpha((unsigned char)x->at[1])) {
		size_t len = strspn(++x->at, "abcdefghijklmnopqrstuvwxyz_0123456789");
		AUTO_FREE char *name = xstrndup(x->at, len);
		const ProtobufCFieldDescriptor *f;

		x->at += len;
		if (v->kind == VALUE_ABSENT)
			continue; /* it may come to exist */
		if (v->kind != VALUE_MESSAGE)
			return expr_bad(x, "a number and a text have no fields");
		f = protobuf_c_message_descriptor_get_field_by_name(v->message->descriptor, name);
		if (!f)
			return err_new(ERR_USAGE, "\"%s\": %s has no field %s", x->text,
				       v->message->descriptor->short_name, name);
		TRY(expr_field(x, v->message, f, v));
	}
	return NULL;
}

static struct err *expr_register(struct expr *x, struct expr_value *ret)
{
	static const struct {
		const char *name;
		bool ip;
	} names[] = {
		{ "rip", true }, { "pc", true }, { "ip", true }, { "rsp", false }, { "sp", false }
	};
	size_t len = strspn(x->at, "abcdefghijklmnopqrstuvwxyz0123456789");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != len || strncmp(names[i].name, x->at, len))
			continue;
		x->at += len;
		*ret = (struct expr_value){ .kind = VALUE_ABSENT };
		if (x->s->n_threads)
			*ret = value_number((int64_t)(names[i].ip ? x->s->threads[0]->ip :
								    x->s->threads[0]->sp));
		return NULL;
	}
	return expr_bad(x, "only $rip ($ip, $pc) and $rsp ($sp) are kept of the registers");
}

/* A field of the snapshot, or of one of its messages that count. */
static struct err *expr_name(struct expr *x, struct expr_value *ret)
{
	const Stepdump__Snapshot *s = x->s;
	size_t len = strspn(x->at, "abcdefghijklmnopqrstuvwxyz_0123456789");
	AUTO_FREE char *name = xstrndup(x->at, len);
	const ProtobufCFieldDescriptor *f;

	for (size_t i = 0; i < NR_SHORT; i++) {
		if (strcmp(expr_short[i].name, name))
			continue;
		const char *dot = strchr(expr_short[i].path, '.');
		AUTO_FREE char *root =
			xstrndup(expr_short[i].path, (size_t)(dot - expr_short[i].path));
		struct expr_value m;

		x->at += len;
		f = protobuf_c_message_descriptor_get_field_by_name(s->base.descriptor, root);
		m = field_value(f, (const char *)s + f->offset);
		*ret = (struct expr_value){ .kind = VALUE_ABSENT };
		if (m.kind != VALUE_MESSAGE)
			return NULL;
		f = protobuf_c_message_descriptor_get_field_by_name(m.message->descriptor, dot + 1);
		TRY(expr_field(x, m.message, f, ret));
		return expr_path(x, ret);
	}
	f = protobuf_c_message_descriptor_get_field_by_name(s->base.descriptor, name);
	if (f) {
		x->at += len;
		TRY(expr_field(x, &s->base, f, ret));
		return expr_path(x, ret);
	}
	for (size_t i = 0; i < NR_ROOTS; i++) {
		const ProtobufCFieldDescriptor *root =
			protobuf_c_message_descriptor_get_field_by_name(s->base.descriptor,
									expr_roots[i].field);

		if (!expr_roots[i].bare)
			continue;
		f = protobuf_c_message_descriptor_get_field_by_name(
			(const ProtobufCMessageDescriptor *)root->descriptor, name);
		if (!f)
			continue;

		struct expr_value m = field_value(root, (const char *)s + root->offset);

		x->at += len;
		*ret = (struct expr_value){ .kind = VALUE_ABSENT };
		if (m.kind == VALUE_MESSAGE)
			TRY(expr_field(x, m.message, f, ret));
		return expr_path(x, ret);
	}
	return expr_bad(x, "nothing has that name");
}

static struct err *expr_primary(struct expr *x, struct expr_value *ret)
{
	char *end;

	expr_blanks(x);
	if (x->depth > MAX_NESTING)
		return expr_bad(x, "nested too deep");
	if (expr_take(x, "(")) {
		x->depth++;
		TRY(expr_or(x, ret));
		x->depth--;
		return expr_take(x, ")") ? NULL : expr_bad(x, "no )");
	}
	if (expr_take(x, "!") || expr_take(x, "-")) {
		bool minus = x->at[-1] == '-';

		x->depth++;
		TRY(expr_primary(x, ret));
		x->depth--;
		if (ret->kind == VALUE_NUMBER)
			ret->number = minus ? (int64_t)(0 - (uint64_t)ret->number) : !ret->number;
		return NULL;
	}
	if (expr_take(x, "$"))
		return expr_register(x, ret);
	if (isdigit((unsigned char)*x->at)) {
		errno = 0;
		*ret = value_number((int64_t)strtoull(x->at, &end, 0));
		if (errno || isalnum((unsigned char)*end))
			return expr_bad(x, "not a number");
		x->at = end;
		return NULL;
	}
	if (isalpha((unsigned char)*x->at))
		return expr_name(x, ret);
	return expr_bad(x, *x->at ? "not understood" : "it ends too soon");
}

/* Operators by precedence; those of one row bind alike. */
static const char *const expr_ops[][7] = {
	{ "||" }, { "&&" }, { "==", "!=", "<=", ">=", "<", ">" }, { "+", "-" }, { "*", "/", "%" },
};
#define NR_LEVELS (sizeof(expr_ops) / sizeof(expr_ops[0]))

static struct err *expr_apply(struct expr *x, const char *op, struct expr_value *a,
			      const struct expr_value *b)
{
	uint64_t l = (uint64_t)a->number, r = (uint64_t)b->number;

	if (a->kind == VALUE_TEXT && b->kind == VALUE_TEXT && (op[0] == '=' || op[0] == '!')) {
		*a = value_number((strcmp(a->text, b->text) == 0) == (op[0] == '='));
		return NULL;
	}
	if (a->kind != VALUE_NUMBER || b->kind != VALUE_NUMBER) {
		*a = (struct expr_value){ .kind = VALUE_ABSENT }; /* not there yet */
		return NULL;
	}
	if ((*op == '/' || *op == '%') && !r) {
		if (!x->decided)
			return expr_bad(x, "division by zero");
		a->number = 0;
		return NULL;
	}
	switch (op[0]) {
	case '|':
		a->number = a->number || b->number;
		break;
	case '&':
		a->number = a->number && b->number;
		break;
	case '=':
		a->number = a->number == b->number;
		break;
	case '!':
		a->number = a->number != b->number;
		break;
	case '<':
		a->number = op[1] ? a->number <= b->number : a->number < b->number;
		break;
	case '>':
		a->number = op[1] ? a->number >= b->number : a->number > b->number;
		break;
	case '+':
		a->number = (int64_t)(l + r);
		break;
	case '-':
		a->number = (int64_t)(l - r);
		break;
	case '*':
		a->number = (int64_t)(l * r);
		break;
	case '/':
		a->number = r == UINT64_MAX ? (int64_t)(0 - l) : a->number / b->number;
		break;
	default:
		a->number = r == UINT64_MAX ? 0 : a->number % b->number;
	}
	return NULL;
}

static struct err *expr_level(struct expr *x, size_t level, struct expr_value *ret)
{
	struct expr_value right;

	if (level == NR_LEVELS)
		return expr_primary(x, ret);
	TRY(expr_level(x, level + 1, ret));
	for (;;) {
		const char *op = NULL;

		for (size_t i = 0; !op && i < 7 && expr_ops[level][i]; i++)
			if (expr_take(x, expr_ops[level][i]))
				op = expr_ops[level][i];
		if (!op)
			return NULL;

		bool decided = ret->kind == VALUE_NUMBER &&
			       ((*op == '|' && ret->number) || (*op == '&' && !ret->number));

		x->decided += decided;
		TRY(expr_level(x, level + 1, &right));
		x->decided -= decided;
		TRY(expr_apply(x, op, ret, &right));
	}
}

static struct err *expr_or(struct expr *x, struct expr_value *ret)
{
	return expr_level(x, 0, ret);
}

struct err *expr_eval(const char *text, const Stepdump__Snapshot *s, struct expr_value *ret)
{
	struct expr x = { .text = text, .at = text, .s = s };

	TRY(expr_or(&x, ret));
	expr_blanks(&x);
	return *x.at ? expr_bad(&x, "not understood") : NULL;
}

/* ---- values ------------------------------------------------------------------------------------------ */

char *expr_show(const struct expr_value *v, bool hex)
{
	switch (v->kind) {
	case VALUE_NUMBER:
		return hex ? xasprintf("0x%lx", (uint64_t)v->number) : xasprintf("%ld", v->number);
	case VALUE_TEXT:
		return xasprintf("\"%s\"", v->text);
	case VALUE_MESSAGE: {
		json_object *o = pb_to_json(v->message);
		char *text = xstrdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));

		json_object_put(o);
		return text;
	}
	default:
		return xstrdup("not known yet");
	}
}
