/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The findings of verify, and its list of the files of the set. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/image/verify_priv.h"

static struct err *finding_error(const struct verify_finding *f)
{
	struct err *e = f->entry == NO_ENTRY ?
				err_new(ERR_CHECK, "%s: %s", f->file, f->text) :
				err_new(ERR_CHECK, "%s: entry %ld: %s", f->file, f->entry, f->text);

	return f->has_vaddr ? err_vaddr(e, f->vaddr) : e;
}

void verify_find(struct verify *v, bool fatal, const char *file, int64_t entry,
		 const uint64_t *vaddr, const char *fmt, ...)
{
	struct verify_report *r = v->r;
	va_list ap;

	if (fatal)
		r->nr_fatal++;
	else
		r->nr_notes++;
	if (r->nr >= VERIFY_FINDINGS_MAX && !(fatal && !v->first))
		return;

	struct verify_finding *f = vec_push(r->v, r->nr);

	va_start(ap, fmt);
	*f = (struct verify_finding){ .fatal = fatal,
				      .file = xstrdup(file),
				      .entry = entry,
				      .has_vaddr = vaddr,
				      .vaddr = vaddr ? *vaddr : 0,
				      .text = xvasprintf(fmt, ap) };
	va_end(ap);
	if (fatal && !v->first)
		v->first = finding_error(f);
}

static ssize_t name_index(const struct verify *v, const char *name)
{
	size_t at = vec_first(v->nr_names, i, strcmp(v->name[i], name) >= 0);

	return at < v->nr_names && !strcmp(v->name[at], name) ? (ssize_t)at : -1;
}

bool verify_has(const struct verify *v, const char *name)
{
	return name_index(v, name) >= 0;
}

bool verify_is_bad(const struct verify *v, const char *file)
{
	ssize_t i = name_index(v, file);

	return i >= 0 && v->bad[i];
}

void verify_set_bad(struct verify *v, const char *file)
{
	ssize_t i = name_index(v, file);

	if (i >= 0)
		v->bad[i] = true;
}

bool verify_absorb_unreadable(struct verify *v, const char *file, struct err *e)
{
	if (e->sys_errno != EACCES && e->sys_errno != EPERM)
		return false;
	if (!verify_is_bad(v, file)) {
		v->r->nr_unreadable++;
		verify_find(v, false, file, NO_ENTRY, NULL,
			    "not checked: this user may not read it (%s)",
			    e->sys_errno == EACCES ? "EACCES" : "EPERM");
	}
	verify_set_bad(v, file);
	err_free(e);
	return true;
}

bool verify_absorb(struct verify *v, const char *file, struct err *e)
{
	if (!e)
		return false;
	if (verify_absorb_unreadable(v, file, e))
		return true;

	AUTO_FREE char *text = err_text(e);

	/* An image that is too large for us to read is not at fault. */
	if (e->code == ERR_NOMEM)
		v->nomem = true;
	else if (!verify_is_bad(v, file))
		verify_find(v, true, file, NO_ENTRY, NULL, "%s", text);
	err_free(e);
	return true;
}

void verify_report_deinit(struct verify_report *r)
{
	for (size_t i = 0; i < r->nr; i++) {
		free(r->v[i].file);
		free(r->v[i].text);
	}
	free(r->v);
	free(r->newer);
	free(r->restore);
	*r = (struct verify_report){ 0 };
}

int verify_compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}
