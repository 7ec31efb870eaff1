/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How numbers, addresses, times and names look in every pane. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/paint.h"

static struct txt txt(const char *text)
{
	struct txt t;

	snprintf(t.s, sizeof(t.s), "%s", text);
	return t;
}

struct txt txt_addr(const struct paint *p, uint64_t addr)
{
	struct txt t;

	if (!p->o->relative)
		snprintf(t.s, sizeof(t.s), "%lx", addr);
	else if (addr >= p->base)
		snprintf(t.s, sizeof(t.s), "+%08lx", addr - p->base);
	else
		snprintf(t.s, sizeof(t.s), "-%08lx", p->base - addr);
	return t;
}

struct txt txt_size(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	struct txt t;
	unsigned unit = 0;
	uint64_t scale = 1;

	while (unit < 6 && bytes / scale >= 1024) {
		scale <<= 10;
		unit++;
	}
	if (unit == 0)
		snprintf(t.s, sizeof(t.s), bytes ? "%luB" : "%lu", bytes);
	else if (unit == 1 && bytes % scale == 0)
		snprintf(t.s, sizeof(t.s), "%luK", bytes / scale);
	else
		snprintf(t.s, sizeof(t.s), "%.1f%c", (double)bytes / (double)scale, units[unit]);
	return t;
}

struct txt txt_pages(uint64_t pages)
{
	return txt_size(mul_sat(pages, PAGE_BYTES));
}

struct txt txt_when(const struct paint *p, uint64_t us)
{
	struct txt t;

	if (p->o->relative)
		us = 0;
	snprintf(t.s, sizeof(t.s), "%lu.%03lu", us / 1000000, us / 1000 % 1000);
	return t;
}

struct txt txt_took(const struct paint *p, uint64_t us)
{
	struct txt t;

	if (p->o->relative)
		return txt("0.000");
	if (us < 1000)
		snprintf(t.s, sizeof(t.s), "%lu us", us);
	else if (us < 1000000)
		snprintf(t.s, sizeof(t.s), "%.1f ms", (double)us / 1e3);
	else
		snprintf(t.s, sizeof(t.s), "%.3f s", (double)us / 1e6);
	return t;
}

struct txt txt_pid(const struct paint *p, uint32_t pid)
{
	const Stepdump__Target *target = p->s->target;
	struct txt t;

	if (p->o->relative)
		return txt(target && target->has_pid && target->pid == pid ? "PID" : "pid");
	snprintf(t.s, sizeof(t.s), "%u", pid);
	return t;
}

struct txt txt_opt(bool has, uint64_t value)
{
	struct txt t = { "-" };

	if (has)
		snprintf(t.s, sizeof(t.s), "%lu", value);
	return t;
}

struct txt txt_opt_size(bool has, uint64_t bytes)
{
	return has ? txt_size(bytes) : txt("-");
}

struct txt txt_opt_addr(const struct paint *p, bool has, uint64_t addr)
{
	return has ? txt_addr(p, addr) : txt("-");
}

struct txt txt_enum(const ProtobufCEnumDescriptor *d, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);
	struct txt t;
	unsigned i;

	if (!v) {
		snprintf(t.s, sizeof(t.s), "%d?", value);
		return t;
	}
	for (i = 0; v->name[i] && i < sizeof(t.s) - 1; i++)
		t.s[i] = v->name[i] == '_' ? '-' : (char)tolower((unsigned char)v->name[i]);
	t.s[i] = '\0';
	return t;
}

const char *str_or_dash(const char *text)
{
	return text && *text ? text : "-";
}

char *join_names(char *const *names, size_t nr, const char *separator)
{
	size_t len = 2;

	for (size_t i = 0; i < nr; i++)
		len += strlen(names[i]) + strlen(separator);

	char *text = malloc(len), *p = text;
	for (size_t i = 0; i < nr; i++)
		p = stpcpy(stpcpy(p, i ? separator : ""), names[i]);
	strcpy(p, nr ? "" : "-");
	return text;
}

/* The length of the hexadecimal number that stands alone at s, 0 if there is none. */
static size_t txt_hex_token(const char *s, uint64_t *value)
{
	char *end;
	size_t len = strspn(s, "0123456789abcdef");

	if (len == 0 || len > 16 || isalnum((unsigned char)s[len]))
		return 0;
	*value = strtoull(s, &end, 16);
	return len;
}

char *text_shown(const struct paint *p, const char *text)
{
	const Stepdump__Target *target = p->s->target;
	char *out;
	size_t size;
	FILE *f;

	if (!text)
		text = "-";
	if (!p->o->relative) {
		out = xstrdup(text);
		return out;
	}
	f = open_memstream(&out, &size);
	if (!f)
		abort();
	for (char before = ' '; *text; before = text[-1]) {
		uint64_t value;
		size_t len = isalnum((unsigned char)before) ? 0 : txt_hex_token(text, &value);
		char pid[16] = "";

		if (target && target->has_pid)
			snprintf(pid, sizeof(pid), "%u", target->pid);
		if (len && len == strlen(pid) && !strncmp(text, pid, len)) {
			fputs("PID", f);
			text += len;
		} else if (len >= 8 && p->s->n_vmas && value >= p->base) {
			fputs(txt_addr(p, value).s, f);
			text += len;
		} else {
			fputc(*text++, f);
		}
	}
	if (fclose(f))
		abort();
	return out;
}
