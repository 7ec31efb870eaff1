/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is to be known of a recording under way, and its end. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/record/record_priv.h"
#include "engine/session/session_priv.h"

void record_lines(struct session *s, char *const *lines, size_t nr)
{
	struct recorder *r = s->record;

	for (size_t i = 0; r && r->file && i < nr; i++)
		*vec_push(r->lines, r->nr_lines) = xstrdup(lines[i]);
}

bool record_wants_units(const struct session *s)
{
	return s->record && s->record->file && s->record->opts.every == RECORD_UNITS;
}

void record_free(struct recorder *r)
{
	if (!r)
		return;
	rec_close(r->file);
	for (size_t i = 0; i < r->nr_lines; i++)
		free(r->lines[i]);
	free(r->lines);
	free(r->path);
	free(r->ended);
	free(r);
}

void session_record_status(const struct session *s, struct record_status *ret)
{
	const struct recorder *r = s->record;

	*ret = (struct record_status){ 0 };
	if (!r)
		return;
	ret->on = r->file != NULL;
	ret->path = r->path;
	ret->stops = r->stops;
	ret->bytes = r->bytes;
	ret->max_bytes = r->opts.max_bytes;
	ret->ended = r->ended;
}

struct err *session_record_end(struct session *s)
{
	if (!s->record || !s->record->file)
		return err_hint(err_new(ERR_STATE, "nothing is being recorded"),
				"`record FILE` begins");
	rec_close(TAKE_PTR(s->record->file));
	return NULL;
}
