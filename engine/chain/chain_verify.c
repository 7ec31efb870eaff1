/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/image/generations.h"
#include "engine/image/image_dir.h"
#include "engine/image/verify.h"
#include "proto/message.h"

struct chain_check {
	Stepdump__VerifyReport *r;
	struct generations at;
};

static Stepdump__Finding *push_finding(struct chain_check *c, unsigned generation, bool fatal,
				       const char *file, char *text)
{
	Stepdump__Finding *o = msg_push(&c->r->findings, &c->r->n_findings, sizeof(*o));

	stepdump__finding__init(o);
	o->fatal = fatal;
	o->file = xstrdup(file);
	o->text = text;
	SET(o, generation, generation);
	return o;
}

/* The holes led there already. */
static bool is_known(const struct chain_check *c, const char *file, const struct verify_finding *f)
{
	for (size_t i = 0; i < c->r->n_findings; i++) {
		const Stepdump__Finding *o = c->r->findings[i];

		if (!strcmp(o->file, file) && !strcmp(o->text, f->text) &&
		    o->has_vaddr == f->has_vaddr && o->vaddr == f->vaddr)
			return true;
	}
	return false;
}

static void take_findings(struct chain_check *c, const struct verify_report *vr,
			  unsigned generation)
{
	for (size_t i = 0; i < vr->nr; i++) {
		const struct verify_finding *f = &vr->v[i];
		char *file = generation_file(generation, f->file);

		if (generation && is_known(c, file, f)) {
			free(file);
			continue;
		}
		if (generation)
			c->r->nr_notes++;
		Stepdump__Finding *o = push_finding(
			c, generation, f->fatal && !generation, file,
			f->fatal && generation ?
				xasprintf("%s (matters if this parent itself is restored)",
					  f->text) :
				xstrdup(f->text));

		if (f->entry >= 0)
			SET(o, entry, f->entry);
		if (f->has_vaddr)
			SET(o, vaddr, f->vaddr);
		free(file);
	}
	if (!generation) {
		c->r->nr_fatal = vr->nr_fatal;
		c->r->nr_notes = vr->nr_notes;
	}
}

/* ERR_CHECK is a finding, and in the report; anything else prevented the check. */
static struct err *check_generation(struct chain_check *c)
{
	struct verify_report vr;
	struct err *e =
		verify_dirfd(c->at.dirfd, VERIFY_SPARSE | (c->at.nr ? 0 : VERIFY_HERE), &vr);

	if (e && (e->code == ERR_CHECK || vr.newer)) {
		err_free(e);
		e = NULL;
	}
	if (!e) {
		Stepdump__Generation *g =
			msg_push(&c->r->generations, &c->r->n_generations, sizeof(*g));

		stepdump__generation__init(g);
		g->dir = generations_path(&c->at);
		SET(g, files, vr.files);
		SET(g, pagemaps, vr.pagemaps);
		SET(g, entries, vr.entries);
		SET(g, pages_stored, vr.pages_present);
		SET(g, pages_in_parent, vr.pages_in_parent);
		SET(g, pre_dump, vr.pre_dump);
		g->kind = xstrdup(vr.pages_only ? "pages" :
				  vr.pre_dump   ? "pre-dump" :
				  vr.full       ? "full" :
						  "memory");
		SET(g, bytes_stored, vr.bytes_stored);
		if (vr.compressed)
			SET(g, compressed, true);
		if (!c->at.nr && vr.restore)
			c->r->restore = xstrdup(vr.restore);
		if (!c->r->newer && vr.newer)
			c->r->newer = generation_file(c->at.nr, vr.newer);
		c->r->nr_unreadable += vr.nr_unreadable;
		if (vr.nr_elsewhere)
			SET(c->r, nr_elsewhere, vr.nr_elsewhere);
		if (vr.pages_at_server)
			SET(g, pages_at_server, vr.pages_at_server);
		if (vr.has_uptime)
			SET(g, dump_uptime_us, vr.dump_uptime_us);
		take_findings(c, &vr, c->at.nr);
	}
	verify_report_deinit(&vr);
	return e;
}

/* The newest generation and all its parents, whether there are holes or not. */
static struct err *check_chain(struct chain_check *c)
{
	enum parent_link link = PARENT_OPEN;

	while (link == PARENT_OPEN) {
		TRY(check_generation(c));
		link = generations_up(&c->at);
	}
	if (link == PARENT_BROKEN) {
		push_finding(c, c->at.nr, false, "parent",
			     xasprintf("the link leads nowhere: %s", strerror(c->at.why)));
		c->r->nr_notes++;
	} else if (link == PARENT_LOOP) {
		push_finding(c, c->at.nr, true, "parent",
			     xstrdup("the links go round in a circle"));
		c->r->nr_fatal++;
	}
	return NULL;
}

struct err *chain_verify(const char *dir, chain_stop_t stop, Stepdump__VerifyReport **ret)
{
	struct chain_check c = { .r = xzalloc(sizeof(*c.r)), .at.dirfd = -1 };
	AUTO_IMAGE_DIR struct image_dir set = IMAGE_DIR_INIT;
	struct err *e = image_dir_open(dir, PAGES_TO_CHECK, 0, stop, &set);

	stepdump__verify_report__init(c.r);
	c.r->dir = xstrdup(dir);
	c.r->has_nr_unreadable = true;
	for (size_t i = 0; i < set.nr_about; i++)
		msg_push_text(&c.r->about, &c.r->n_about, set.about[i]);
	if (!e)
		e = generations_begin(&c.at, set.dirfd);
	if (!e)
		e = check_chain(&c);
	generations_end(&c.at);
	if (e) {
		stepdump__verify_report__free_unpacked(c.r, NULL);
		return err_wrap(e, "verify %s", dir);
	}
	*ret = c.r;
	return NULL;
}
