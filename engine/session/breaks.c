/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/breaks.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calc.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "base/vec.h"

/* What a condition can ask about, and in which phases a unit knows it. */
enum { FIELD_PPB, FIELD_VMA, FIELD_CHUNK, FIELD_SHMEM, FIELD_PAGES, FIELD_VERDICT };
static const struct {
	const char *name;
	unsigned phases; /* bits */
} brk_fields[] = {
	[FIELD_PPB] = { "ppb", 1u << PH(DRAIN) | 1u << PH(XFER) },
	[FIELD_VMA] = { "vma", 1u << PH(PMC_FILL) | 1u << PH(GENERATE_IOVS) },
	[FIELD_CHUNK] = { "chunk", 1u << PH(PMC_FILL) | 1u << PH(GENERATE_IOVS) | 1u << PH(DRAIN) |
					   1u << PH(XFER) },
	[FIELD_SHMEM] = { "shmem", 1u << PH(GENERATE_IOVS) | 1u << PH(DRAIN) | 1u << PH(XFER) },
	[FIELD_PAGES] = { "pages", 1u << PH(GENERATE_IOVS) | 1u << PH(XFER) },
	[FIELD_VERDICT] = { "verdict", 1u << PH(GENERATE_IOVS) },
};
#define NR_FIELDS (sizeof(brk_fields) / sizeof(brk_fields[0]))

static struct err *brk_grammar(const char *where)
{
	return err_hint(
		err_new(ERR_USAGE, "breakpoint \"%s\" is not understood", where),
		"PHASE [if CONDITION], ADDRESS, vma N, ppb N, verdict NAME, chunk N or fail; "
		"see `help breakpoints`");
}

/* ---- words ------------------------------------------------------------------- */

struct word {
	const char *s; /* not terminated */
	size_t len;    /* 0: the end */
};

static bool word_is(struct word w, const char *text)
{
	return strlen(text) == w.len && !strncmp(w.s, text, w.len);
}

/* Steps over blanks and one word. */
static struct word word_next(const char **p)
{
	struct word w = { .s = *p + strspn(*p, " \t") };

	w.len = strcspn(w.s, " \t");
	*p = w.s + w.len;
	return w;
}

static bool word_number(struct word w, int base, uint64_t *ret)
{
	char text[24], *end;

	if (w.len >= sizeof(text) || !w.len || !isxdigit((unsigned char)*w.s))
		return false;
	memcpy(text, w.s, w.len);
	text[w.len] = '\0';
	errno = 0;
	*ret = strtoull(text, &end, base);
	return !errno && !*end;
}

/* ---- conditions ---------------------------------------------------------------- */

struct brk_asked {
	const struct brk *b;
	const struct unit *u; /* NULL: nothing is known yet, the grammar is checked */
};

/* "drain knows ppb, chunk, shmem" */
static struct err *brk_no_field(const struct brk *b, const char *field)
{
	char known[64] = "";

	for (size_t f = 0; f < NR_FIELDS; f++)
		if (brk_fields[f].phases & 1u << b->phase)
			sprintf(known + strlen(known), "%s%s", *known ? ", " : "",
				brk_fields[f].name);
	return err_hint(err_new(ERR_USAGE, "no unit of %s has a %s", phase_name(b->phase), field),
			*known ? "%s has %s" : "%s takes no condition", phase_name(b->phase),
			known);
}

/* A field that the unit does not have (a hole is in no ppb) is absent: no comparison with it holds. */
static struct calc_value brk_field_value(size_t field, const struct unit *u)
{
	const int64_t of_unit[] = {
		[FIELD_PPB] = u->ppb,
		[FIELD_VMA] = u->vma,
		[FIELD_CHUNK] = u->chunk,
		[FIELD_SHMEM] = u->shmem,
		[FIELD_PAGES] =
			u->end > u->start ? (int64_t)((u->end - u->start) / PAGE_BYTES) : -1,
	};

	if (field == FIELD_VERDICT)
		return (struct calc_value){ .kind = u->has_verdict ? CALC_TEXT : CALC_ABSENT,
					    .text = u->has_verdict ? verdict_name(u->verdict) :
								     NULL };
	return of_unit[field] < 0 ? (struct calc_value){ .kind = CALC_ABSENT } :
				    calc_number(of_unit[field]);
}

/* A field of the unit, or the name of a verdict, which may contain a "-". */
static struct err *brk_name(struct calc *c, struct calc_value *ret)
{
	const struct brk_asked *asked = c->arg;
	size_t len = strspn(c->at, "abcdefghijklmnopqrstuvwxyz-_0123456789");
	AUTO_FREE char *verdict = xstrndup(c->at, len);
	AUTO_FREE char *name = xstrndup(c->at, calc_name_len(c));

	if (verdict_from_name(verdict) >= 0) {
		*ret = (struct calc_value){ .kind = CALC_TEXT,
					    .text = verdict_name(
						    (verdict_t)verdict_from_name(verdict)) };
		c->at += len;
		return NULL;
	}
	for (size_t f = 0; f < NR_FIELDS; f++) {
		if (strcmp(brk_fields[f].name, name))
			continue;
		if (!(brk_fields[f].phases & 1u << asked->b->phase))
			return brk_no_field(asked->b, name);
		c->at += strlen(name);
		*ret = asked->u ? brk_field_value(f, asked->u) :
				  (struct calc_value){ .kind = CALC_ABSENT };
		return NULL;
	}
	return calc_bad(c, "no unit has that");
}

static struct err *brk_ask(const struct brk *b, const struct unit *u, bool *ret)
{
	struct brk_asked asked = { .b = b, .u = u };
	struct calc c = {
		.text = b->cond,
		.name = brk_name,
		.arg = &asked,
		.hint = "ppb, vma, chunk, shmem, pages, verdict; see `help breakpoints`",
	};
	struct calc_value v;

	TRY(calc_eval(&c, &v));
	*ret = calc_true(&v);
	return NULL;
}

/* One that cannot be evaluated (it divides by a ppb that is 0) stops, rather than being passed in silence. */
static bool brk_cond_holds(const struct brk *b, const struct unit *u)
{
	bool holds = true;
	AUTO_ERR struct err *e = b->cond ? brk_ask(b, u, &holds) : NULL;

	return holds || e;
}

/* ---- the grammar --------------------------------------------------------------- */

static struct err *brk_parse_cond(struct brk *b, const char *p)
{
	struct word w = word_next(&p);
	bool holds;

	if (!w.len)
		return NULL;
	b->cond = xstrdup(p + strspn(p, " \t"));
	if (!word_is(w, "if") || !*b->cond)
		return brk_grammar(b->where);
	return err_wrap(brk_ask(b, NULL, &holds), "breakpoint \"%s\"", b->where);
}

static struct err *brk_parse_verdict(struct brk *b, struct word w)
{
	AUTO_FREE char *name = xstrndup(w.s, w.len);
	int found = verdict_from_name(name);

	if (found < 0)
		return err_hint(err_new(ERR_USAGE, "no verdict is called \"%s\"", name),
				"see `help verdicts`");
	b->kind = BRK_VERDICT;
	b->verdict = (verdict_t)found;
	return NULL;
}

static struct err *brk_parse(struct brk *b)
{
	const char *p = b->where;
	struct word first = word_next(&p);
	const char *rest = p;
	struct word second = word_next(&p);
	bool two = second.len && !word_next(&p).len;
	AUTO_FREE char *name = xstrndup(first.s, first.len);
	int phase = phase_from_name(name);

	if (word_is(first, "fail") && !second.len) {
		b->kind = BRK_FAIL;
	} else if (word_is(first, "chunk") && two && word_number(second, 10, &b->value) &&
		   b->value) {
		b->kind = BRK_CHUNK;
	} else if (word_is(first, "ppb") && two && word_number(second, 10, &b->value)) {
		b->kind = BRK_PHASE;
		b->phase = PH(DRAIN);
		b->cond = xasprintf("ppb == %lu", b->value);
		/* An index is short and decimal; an address is not, or says that it is hexadecimal. */
	} else if (word_is(first, "vma") && two &&
		   word_number(second, second.len > 6 || second.s[1] == 'x' ? 16 : 10, &b->value)) {
		b->kind = BRK_VMA;
	} else if (word_is(first, "verdict") && two) {
		return brk_parse_verdict(b, second);
	} else if (phase >= 0 && phase_ops((phase_t)phase)) {
		b->kind = BRK_PHASE;
		b->phase = (phase_t)phase;
		return brk_parse_cond(b, rest);
	} else if (!second.len && word_number(first, 16, &b->value) && b->value >= PAGE_BYTES) {
		b->kind = BRK_ADDR;
		b->value &= ~(PAGE_BYTES - 1);
	} else {
		return brk_grammar(b->where);
	}
	return NULL;
}

static void brk_deinit(struct brk *b)
{
	free(b->where);
	free(b->cond);
}

struct err *brk_add(struct brk_list *l, const char *where, bool temporary, unsigned *number_ret)
{
	struct brk b = { .temporary = temporary, .where = xstrdup(where) };
	struct err *e = brk_parse(&b);

	if (e) {
		brk_deinit(&b);
		return e;
	}
	b.number = *number_ret = ++l->last_number;
	*vec_push(l->b, l->nr) = b;
	return NULL;
}

static struct err *brk_none(unsigned number)
{
	return err_hint(err_new(ERR_USAGE, "there is no breakpoint %u", number),
			"`show breakpoints` lists them");
}

struct err *brk_delete(struct brk_list *l, unsigned number)
{
	size_t before = l->nr;

	for (size_t i = l->nr; i-- > 0;)
		if (!number || l->b[i].number == number) {
			brk_deinit(&l->b[i]);
			vec_remove(l->b, l->nr, i);
		}
	if (!number || l->nr < before)
		return NULL;
	return brk_none(number);
}

struct err *brk_enable(struct brk_list *l, unsigned number, bool on)
{
	bool found = !number;

	for (size_t i = 0; i < l->nr; i++)
		if (!number || l->b[i].number == number) {
			l->b[i].disabled = !on;
			found = true;
		}
	return found ? NULL : brk_none(number);
}

struct err *brk_ignore(struct brk_list *l, unsigned number, unsigned count)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->b[i].number == number) {
			l->b[i].ignore = count;
			return NULL;
		}
	return brk_none(number);
}

void brk_list_deinit(struct brk_list *l)
{
	err_free(brk_delete(l, 0));
	free(l->b);
	*l = (struct brk_list){ 0 };
}

bool brk_matches(const struct brk *b, const struct unit *u, const struct unit *prev,
		 const struct vma_list *vmas)
{
	bool of_task = u->shmem < 0;

	if (b->disabled)
		return false;
	switch (b->kind) {
	case BRK_PHASE:
		return u->phase == b->phase && (prev->phase != u->phase || b->cond) &&
		       brk_cond_holds(b, u);
	case BRK_ADDR:
		return of_task && (u->phase == PH(GENERATE_IOVS) || u->phase == PH(XFER)) &&
		       u->start <= b->value && b->value < u->end;
	case BRK_VMA:
		if (u->phase != PH(PMC_FILL) || u->vma < 0)
			return false;
		return b->value < vmas->nr ? u->vma == (int64_t)b->value :
					     u->vma == vma_list_find(vmas, b->value);
	case BRK_VERDICT:
		return u->phase == PH(GENERATE_IOVS) && u->has_verdict && u->verdict == b->verdict;
	case BRK_CHUNK:
		return u->chunk == b->value && prev->chunk != b->value;
	case BRK_FAIL:
		return false;
	}
	return false;
}

struct brk *brk_match(const struct brk_list *l, const struct unit *u, const struct unit *prev,
		      const struct vma_list *vmas)
{
	for (size_t i = 0; i < l->nr; i++)
		if (brk_matches(&l->b[i], u, prev, vmas))
			return &l->b[i];
	return NULL;
}

struct brk *brk_hit(struct brk_list *l, const struct unit *u, const struct unit *prev,
		    const struct vma_list *vmas)
{
	for (size_t i = 0; i < l->nr; i++) {
		struct brk *b = &l->b[i];

		if (!brk_matches(b, u, prev, vmas))
			continue;
		b->hits++;
		if (!b->ignore)
			return b;
		b->ignore--;
	}
	return NULL;
}

bool brk_on_failure(const struct brk_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->b[i].kind == BRK_FAIL && !l->b[i].disabled)
			return true;
	return false;
}

bool brk_fine_grained(const struct brk_list *l, phase_t phase)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct brk *b = &l->b[i];

		if (b->disabled)
			continue;
		if (b->kind == BRK_ADDR || b->kind == BRK_VERDICT ||
		    (b->kind == BRK_PHASE && b->cond && b->phase == phase))
			return true;
	}
	return false;
}

bool brk_on_units(const struct brk_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (!l->b[i].disabled && l->b[i].kind != BRK_FAIL)
			return true;
	return false;
}

bool brk_in_phase(const struct brk_list *l, phase_t phase)
{
	for (size_t i = 0; i < l->nr; i++)
		if (!l->b[i].disabled && ((l->b[i].kind == BRK_PHASE && l->b[i].phase == phase) ||
					  (l->b[i].kind == BRK_VMA && phase == PH(PMC_FILL))))
			return true;
	return brk_fine_grained(l, phase);
}
