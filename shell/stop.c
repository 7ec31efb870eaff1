/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "shell/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stop_print(const Stepdump__Stop *stop, struct out *o)
{
	if (!stop)
		return;
	out_message(o, &stop->base);
	for (size_t i = 0; i < stop->n_lines; i++)
		out_printf(o, "%s\n", stop->lines[i]);
	const Stepdump__Unit *next = stop->cursor ? stop->cursor->next : NULL;
	if (stop->has_breakpoint)
		out_printf(o, "breakpoint %u: %s\n", stop->breakpoint,
			   next && next->text ? next->text : "");
	else if (!strcmp(stop->reason, "gate"))
		out_printf(o,
			   "at the gate: all staged, nothing published; `commit DIR` passes it\n");
}

struct err *where_from_args(struct shell *sh, const struct args *a, char **ret)
{
	char *text = NULL;
	size_t len;
	struct err *e = NULL;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_nomem();
	for (unsigned i = 0; !e && i < a->argc; i++) {
		uint64_t addr;

		if (i)
			fputc(' ', f);
		if (*a->argv[i] != '$') {
			fputs(a->argv[i], f);
			continue;
		}
		e = arg_addr(sh, a->argv[i], &addr);
		if (!e)
			fprintf(f, "0x%" PRIx64, addr);
	}
	fclose(f);
	if (e) {
		free(text);
		return e;
	}
	*ret = text;
	return NULL;
}
