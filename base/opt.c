/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/opt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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

static struct err *bad_value(const struct opt_desc *d, const char *value)
{
	struct err *e = err_new(ERR_USAGE, "\"%s\" is not a value of %s", value, d->name);

	if (d->type == OPT_UINT)
		return err_hint(e, "a number from %u to %u", d->min, d->max);
	return err_hint(e, "one of %s", d->values);
}

/* "on" and "off", and their usual synonyms; -1 for anything else. */
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
		s = *value ? xstrdup(value) : NULL;
		free(*(char **)field);
		*(char **)field = s;
		return NULL;
	}
	return bad_value(d, value);
}

char *opt_print(const void *base, const struct opt_desc *d)
{
	const void *field = (const char *)base + d->offset;
	const char *s;

	switch (d->type) {
	case OPT_ENUM:
		return xstrdup(d->names[*(const int *)field]);
	case OPT_BOOL:
		return xstrdup(*(const bool *)field ? "on" : "off");
	case OPT_UINT:
		return xasprintf("%u", *(const uint32_t *)field);
	case OPT_STRING:
		s = *(char *const *)field;
		return xstrdup(s ? s : "");
	}
	return NULL;
}
