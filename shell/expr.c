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

/* ---- values of names ---------------------------------------------------------------------------- */

/* One element or scalar of a field. */
static struct calc_value field_value(const ProtobufCFieldDescriptor *f, const void *at)
{
	struct calc_value v = { .kind = CALC_NUMBER };

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		v.text = *(char *const *)at;
		v.kind = v.text ? CALC_TEXT : CALC_ABSENT;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		v.other = *(ProtobufCMessage *const *)at;
		v.kind = v.other ? CALC_OTHER : CALC_ABSENT;
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
		v.kind = CALC_ABSENT;
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
static struct err *expr_field(struct calc *c, const ProtobufCMessage *m,
			      const ProtobufCFieldDescriptor *f, struct calc_value *ret)
{
	const char *base = (const char *)m;
	struct calc_value index;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		bool has = f->label == PROTOBUF_C_LABEL_REQUIRED || !f->quantifier_offset ||
			   *(const protobuf_c_boolean *)(base + f->quantifier_offset);

		*ret = field_value(f, base + f->offset);
		if (!has && ret->kind == CALC_NUMBER)
			ret->kind = CALC_ABSENT;
		return NULL;
	}
	size_t nr = *(const size_t *)(base + f->quantifier_offset);
	bool bracket = calc_take(c, "[");

	/* `ppb 3` means ppb[3]. */
	if (!bracket && !isdigit((unsigned char)c->at[strspn(c->at, " \t")])) {
		*ret = calc_number((int64_t)nr);
		return NULL;
	}
	if (bracket) {
		TRY(calc_inner(c, &index));
		if (!calc_take(c, "]"))
			return calc_bad(c, "no ]");
	} else {
		char *end;

		index = calc_number(strtoll(c->at, &end, 10));
		c->at = end;
	}
	*ret = (struct calc_value){ .kind = CALC_ABSENT };
	if (index.kind == CALC_NUMBER && index.number >= 0 && (uint64_t)index.number < nr)
		*ret = field_value(f, *(char *const *)(base + f->offset) +
					      (size_t)index.number * field_size(f));
	return NULL;
}

/* .name, any number of times. */
static struct err *expr_path(struct calc *c, struct calc_value *v)
{
	while (*c->at == '.' && isalpha((unsigned char)c->at[1])) {
		size_t len = strspn(++c->at, "abcdefghijklmnopqrstuvwxyz_0123456789");
		AUTO_FREE char *name = xstrndup(c->at, len);
		const ProtobufCFieldDescriptor *f;

		c->at += len;
		if (v->kind == CALC_ABSENT)
			continue; /* it may come to exist */
		if (v->kind != CALC_OTHER)
			return calc_bad(c, "a number and a text have no fields");
		const ProtobufCMessage *m = v->other;

		f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
		if (!f)
			return err_new(ERR_USAGE, "\"%s\": %s has no field %s", c->text,
				       m->descriptor->short_name, name);
		TRY(expr_field(c, m, f, v));
	}
	return NULL;
}

static struct err *expr_register(struct calc *c, struct calc_value *ret)
{
	static const struct {
		const char *name;
		bool ip;
	} names[] = {
		{ "rip", true }, { "pc", true }, { "ip", true }, { "rsp", false }, { "sp", false }
	};
	const Stepdump__Snapshot *s = c->arg;
	size_t len = calc_name_len(c);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) != len || strncmp(names[i].name, c->at, len))
			continue;
		c->at += len;
		*ret = (struct calc_value){ .kind = CALC_ABSENT };
		if (s->n_threads)
			*ret = calc_number(
				(int64_t)(names[i].ip ? s->threads[0]->ip : s->threads[0]->sp));
		return NULL;
	}
	return calc_bad(c, "only $rip ($ip, $pc) and $rsp ($sp) are kept of the registers");
}

/* A field of the snapshot, or of one of its messages that count. */
static struct err *expr_field_named(struct calc *c, struct calc_value *ret)
{
	const Stepdump__Snapshot *s = c->arg;
	size_t len = calc_name_len(c);
	AUTO_FREE char *name = xstrndup(c->at, len);
	const ProtobufCFieldDescriptor *f;

	for (size_t i = 0; i < NR_SHORT; i++) {
		if (strcmp(expr_short[i].name, name))
			continue;
		const char *dot = strchr(expr_short[i].path, '.');
		AUTO_FREE char *root =
			xstrndup(expr_short[i].path, (size_t)(dot - expr_short[i].path));
		struct calc_value m;

		c->at += len;
		f = protobuf_c_message_descriptor_get_field_by_name(s->base.descriptor, root);
		m = field_value(f, (const char *)s + f->offset);
		*ret = (struct calc_value){ .kind = CALC_ABSENT };
		if (m.kind != CALC_OTHER)
			return NULL;
		f = protobuf_c_message_descriptor_get_field_by_name(
			((const ProtobufCMessage *)m.other)->descriptor, dot + 1);
		TRY(expr_field(c, m.other, f, ret));
		return expr_path(c, ret);
	}
	f = protobuf_c_message_descriptor_get_field_by_name(s->base.descriptor, name);
	if (f) {
		c->at += len;
		TRY(expr_field(c, &s->base, f, ret));
		return expr_path(c, ret);
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

		struct calc_value m = field_value(root, (const char *)s + root->offset);

		c->at += len;
		*ret = (struct calc_value){ .kind = CALC_ABSENT };
		if (m.kind == CALC_OTHER)
			TRY(expr_field(c, m.other, f, ret));
		return expr_path(c, ret);
	}
	return calc_bad(c, "nothing has that name");
}

static struct err *expr_name(struct calc *c, struct calc_value *ret)
{
	if (calc_take(c, "$"))
		return expr_register(c, ret);
	return expr_field_named(c, ret);
}

struct err *expr_eval(const char *text, const Stepdump__Snapshot *s, struct calc_value *ret)
{
	struct calc c = {
		.text = text,
		.name = expr_name,
		.arg = (void *)s,
		.hint = "registers such as $rsp, and fields such as pages_written, pmc.hits, "
			"ppb[3].pages_in",
	};

	return calc_eval(&c, ret);
}

/* ---- values ------------------------------------------------------------------------------------------ */

char *expr_show(const struct calc_value *v, bool hex)
{
	switch (v->kind) {
	case CALC_NUMBER:
		return hex ? xasprintf("0x%lx", (uint64_t)v->number) : xasprintf("%ld", v->number);
	case CALC_TEXT:
		return xasprintf("\"%s\"", v->text);
	case CALC_OTHER: {
		json_object *o = pb_to_json(v->other);
		char *text = xstrdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));

		json_object_put(o);
		return text;
	}
	default:
		return xstrdup("not known yet");
	}
}
