/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/session/breaks.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 24

static struct err *grammar(const char *where)
{
	return err_hint(
		err_new(ERR_USAGE, "breakpoint \"%s\" is not understood", where),
		"PHASE [if ppb|vma|chunk|shmem == N], ADDRESS, vma N, verdict NAME, chunk N or "
		"fail; see `help breakpoints`");
}

static bool parse_number(const char *w, int base, uint64_t *ret)
{
	char *end;

	if (!isxdigit((unsigned char)*w))
		return false;
	errno = 0;
	*ret = strtoull(w, &end, base);
	return !errno && !*end;
}

/* Splits at blanks and around "=="; the words point into `line`, which is cut up. */
static size_t split(char *line, char *word[MAX_WORDS])
{
	size_t nr = 0;

	for (char *w = strtok(line, " \t"); w && nr < MAX_WORDS; w = strtok(NULL, " \t")) {
		char *eq = strstr(w, "==");

		if (!eq || (eq == w && !eq[2])) {
			word[nr++] = w;
			continue;
		}
		*eq = '\0';
		if (*w)
			word[nr++] = w;
		if (nr < MAX_WORDS)
			word[nr++] = (char *)"==";
		if (eq[2] && nr < MAX_WORDS)
			word[nr++] = eq + 2;
	}
	return nr;
}

static struct err *parse_conds(struct brk *b, char **word, size_t nr, const char *where)
{
	static const char *const fields[] = { "ppb", "vma", "chunk", "shmem" };

	if (!nr)
		return NULL;
	if (strcmp(word[0], "if"))
		return grammar(where);
	for (size_t i = 1;; i += 4) {
		uint64_t value;
		int field = -1;

		if (i + 3 > nr)
			return grammar(where);
		for (int f = 0; f < 4; f++)
			if (!strcmp(word[i], fields[f]))
				field = f;
		if (field < 0 || strcmp(word[i + 1], "==") ||
		    !parse_number(word[i + 2], 10, &value) || b->nr_conds == 4)
			return grammar(where);
		b->cond[b->nr_conds].field = field;
		b->cond[b->nr_conds++].value = (int64_t)value;
		if (i + 3 == nr)
			return NULL;
		if (strcmp(word[i + 3], "&&") && strcmp(word[i + 3], "and") &&
		    strcmp(word[i + 3], "if"))
			return grammar(where);
	}
}

static struct err *parse(struct brk *b, char **word, size_t nr, const char *where)
{
	int found;

	if (!nr)
		return grammar(where);
	if (!strcmp(word[0], "fail") && nr == 1) {
		b->kind = BRK_FAIL;
		return NULL;
	}
	if (!strcmp(word[0], "chunk") && nr == 2 && parse_number(word[1], 10, &b->value)) {
		b->kind = BRK_CHUNK;
		return NULL;
	}
	/* An index is short and decimal; an address is not, or says that it is hexadecimal. */
	if (!strcmp(word[0], "vma") && nr == 2 &&
	    parse_number(word[1], strlen(word[1]) > 6 || word[1][1] == 'x' ? 16 : 10, &b->value)) {
		b->kind = BRK_VMA;
		return NULL;
	}
	if (!strcmp(word[0], "verdict") && nr == 2) {
		found = verdict_from_name(word[1]);
		if (found < 0)
			return err_hint(err_new(ERR_USAGE, "no verdict is called \"%s\"", word[1]),
					"see `help verdicts`");
		b->kind = BRK_VERDICT;
		b->verdict = (verdict_t)found;
		return NULL;
	}
	found = phase_from_name(word[0]);
	if (found >= 0 && phase_ops((phase_t)found) && found != PH(RESET)) {
		b->kind = BRK_PHASE;
		b->phase = (phase_t)found;
		return parse_conds(b, word + 1, nr - 1, where);
	}
	if (nr == 1 && parse_number(word[0], 16, &b->value) && b->value >= PAGE_BYTES) {
		b->kind = BRK_ADDR;
		b->value &= ~(PAGE_BYTES - 1);
		return NULL;
	}
	return grammar(where);
}

struct err *brk_add(struct brk_list *l, const char *where, bool temporary, unsigned *number_ret)
{
	struct brk b = { .temporary = temporary, .where = strdup(where) };
	char *line = strdup(where), *word[MAX_WORDS];
	struct err *e = b.where && line ? NULL : err_nomem();
	void *p = e ? NULL : reallocarray(l->b, l->nr + 1, sizeof(*l->b));

	if (p)
		l->b = p;
	else if (!e)
		e = err_nomem();
	if (!e)
		e = parse(&b, word, split(line, word), where);
	free(line);
	if (e) {
		free(b.where);
		return e;
	}
	b.number = *number_ret = ++l->last_number;
	l->b[l->nr++] = b;
	return NULL;
}

struct err *brk_delete(struct brk_list *l, unsigned number)
{
	if (!number) {
		for (size_t i = 0; i < l->nr; i++)
			free(l->b[i].where);
		l->nr = 0;
		return NULL;
	}
	for (size_t i = 0; i < l->nr; i++)
		if (l->b[i].number == number) {
			free(l->b[i].where);
			memmove(&l->b[i], &l->b[i + 1], (--l->nr - i) * sizeof(*l->b));
			return NULL;
		}
	return err_hint(err_new(ERR_USAGE, "there is no breakpoint %u", number),
			"`show breakpoints` lists them");
}

void brk_list_deinit(struct brk_list *l)
{
	err_free(brk_delete(l, 0));
	free(l->b);
	*l = (struct brk_list){ 0 };
}

static bool conds_hold(const struct brk *b, const struct unit *u)
{
	for (unsigned i = 0; i < b->nr_conds; i++) {
		int64_t is = 0;

		switch (b->cond[i].field) {
		case COND_PPB:
			is = u->ppb;
			break;
		case COND_VMA:
			is = u->vma;
			break;
		case COND_CHUNK:
			is = u->chunk;
			break;
		case COND_SHMEM:
			is = u->shmem;
			break;
		}
		if (is != b->cond[i].value)
			return false;
	}
	return true;
}

static bool matches(const struct brk *b, const struct unit *u, const struct unit *prev,
		    const struct vma_list *vmas)
{
	bool of_task = u->shmem < 0;

	switch (b->kind) {
	case BRK_PHASE:
		return u->phase == b->phase && (prev->phase != u->phase || b->nr_conds) &&
		       conds_hold(b, u);
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
		if (matches(&l->b[i], u, prev, vmas))
			return &l->b[i];
	return NULL;
}

bool brk_on_failure(const struct brk_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		if (l->b[i].kind == BRK_FAIL)
			return true;
	return false;
}

bool brk_fine_grained(const struct brk_list *l, phase_t phase)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct brk *b = &l->b[i];

		if (b->kind == BRK_ADDR || b->kind == BRK_VERDICT ||
		    (b->kind == BRK_PHASE && b->nr_conds && b->phase == phase))
			return true;
	}
	return false;
}

bool brk_in_phase(const struct brk_list *l, phase_t phase)
{
	for (size_t i = 0; i < l->nr; i++)
		if ((l->b[i].kind == BRK_PHASE && l->b[i].phase == phase) ||
		    (l->b[i].kind == BRK_VMA && phase == PH(PMC_FILL)))
			return true;
	return brk_fine_grained(l, phase);
}
