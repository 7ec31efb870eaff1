/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mirrors criu/pagemap.c.  Differs in: look-ups are random, not a forward-only cursor, as a
 * debugger asks for single pages; all generations' pagemaps are held in memory.
 */
#include "engine/image/page_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/at_server.h"
#include "engine/image/generations.h"
#include "engine/image/image.h"
#include "engine/image/pages_file.h"
#include "engine/proc/vma.h"
#include "proto/inventory.pb-c.h"

struct generation {
	int dirfd;
	char *dir; /* real path */
	struct pagemap_image pi;
	bool at_server; /* pi is only a record of what a page server holds */
};

struct page_read {
	char *name;
	struct generation *g;
	size_t nr;
	bool lenient;
	char *broken; /* why the chain ends where it does; NULL: it ends as it should */
};

void page_read_close(struct page_read *pr)
{
	if (!pr)
		return;
	for (size_t i = 0; i < pr->nr; i++) {
		pagemap_image_deinit(&pr->g[i].pi);
		close(pr->g[i].dirfd);
		free(pr->g[i].dir);
	}
	free(pr->g);
	free(pr->broken);
	free(pr->name);
	free(pr);
}

struct err *page_read_pagemap(int dirfd, const char *name, struct pagemap_image *pi,
			      bool *at_server_ret)
{
	char record[AT_SERVER_NAME_MAX];
	struct err *e = pagemap_image_read(dirfd, name, pi);

	*at_server_ret = e && e->sys_errno == ENOENT && at_server_has(dirfd, name);
	if (!*at_server_ret)
		return e;
	err_free(e);
	return pagemap_image_read(dirfd, at_server_name(name, record), pi);
}

/* False in *more_ret: this directory lacks the object's pagemap, and the chain ends above it. */
static struct err *add_generation(struct page_read *pr, const struct generations *at,
				  bool *more_ret)
{
	AUTO_FREE char *dir = generations_path(at);
	AUTO_CLOSE int dirfd = fcntl(at->dirfd, F_DUPFD_CLOEXEC, 0);
	struct pagemap_image pi;
	bool at_server;

	*more_ret = false;
	if (dirfd < 0)
		return err_sys(errno, "open the image directory %s", dir);

	struct err *e = page_read_pagemap(dirfd, pr->name, &pi, &at_server);

	if (e && e->sys_errno == ENOENT) {
		err_free(e);
		return NULL;
	}
	if (e)
		return err_wrap(e, "%s", dir);
	e = pagemap_image_check(&pi, pr->name);
	if (e) {
		pagemap_image_deinit(&pi);
		return err_wrap(e, "%s", dir);
	}
	*vec_push(pr->g, pr->nr) =
		(struct generation){ TAKE_FD(dirfd), TAKE_PTR(dir), pi, at_server };
	*more_ret = true;
	return NULL;
}

static struct err *open_chain(struct page_read *pr, int dirfd)
{
	AUTO_GENERATIONS struct generations at;
	enum parent_link link = PARENT_OPEN;
	bool more = true;

	TRY(generations_begin(&at, dirfd));
	while (link == PARENT_OPEN) {
		struct err *e = add_generation(pr, &at, &more);

		if (e && pr->nr && pr->lenient) {
			pr->broken = err_text(e);
			err_free(e);
			return NULL;
		}
		TRY(e);
		if (!more)
			return NULL;
		link = generations_up(&at);
	}
	/* A link to nowhere, or in a circle, matters only to a hole that needs it. */
	if (link == PARENT_NONE || (!pr->lenient && link == PARENT_BROKEN &&
				    (at.why == ENOENT || at.why == ELOOP || at.why == ENOTDIR)))
		return NULL;
	if (pr->lenient) {
		pr->broken = xasprintf("its parent link %s: %s",
				       link == PARENT_LOOP ? "leads back" : "cannot be followed",
				       strerror(at.why));
		return NULL;
	}
	if (link == PARENT_BROKEN)
		return err_sys(at.why, "open the parent of %s", pr->g[pr->nr - 1].dir);
	return err_new(ERR_CHECK,
		       "the parent links of %s lead back to it, or to one of its parents",
		       pr->g[0].dir);
}

static struct err *page_read_begin(int dirfd, const char *name, bool lenient,
				   struct page_read **ret)
{
	struct page_read *pr = xzalloc(sizeof(*pr));

	pr->name = xstrdup(name);
	pr->lenient = lenient;

	struct err *e = open_chain(pr, dirfd);

	if (e || !pr->nr) {
		page_read_close(pr);
		pr = NULL;
	}
	if (!e)
		*ret = pr;
	return e;
}

struct err *page_read_open(int dirfd, const char *name, struct page_read **ret)
{
	return page_read_begin(dirfd, name, false, ret);
}

struct err *page_read_open_some(int dirfd, const char *name, struct page_read **ret)
{
	return page_read_begin(dirfd, name, true, ret);
}

/* Index of the first entry that ends beyond vaddr; nr if there is none. */
static size_t first_beyond(const struct pagemap_image *pi, uint64_t vaddr)
{
	return vec_first(pi->nr, i, pagemap_entry_end(&pi->e[i]) > vaddr);
}

/* Down to data: a PARENT entry counts only if the parent has the page. */
static bool covers(const struct page_read *pr, size_t generation, uint64_t vaddr, uint64_t end,
		   uint64_t *missing_ret)
{
	if (generation == pr->nr) {
		*missing_ret = vaddr;
		return false;
	}

	const struct pagemap_image *pi = &pr->g[generation].pi;

	for (size_t i = first_beyond(pi, vaddr); vaddr < end; i++) {
		if (i == pi->nr || pi->e[i].vaddr > vaddr) {
			*missing_ret = vaddr;
			return false;
		}
		uint64_t to = pagemap_entry_end(&pi->e[i]);

		if (to > end)
			to = end;
		if ((pi->e[i].flags & PE_PARENT) &&
		    !covers(pr, generation + 1, vaddr, to, missing_ret))
			return false;
		vaddr = to;
	}
	return true;
}

bool page_read_covers(const struct page_read *pr, uint64_t vaddr, uint64_t nr_pages,
		      uint64_t *missing_ret)
{
	return covers(pr, 0, vaddr, vaddr + nr_pages * PAGE_BYTES, missing_ret);
}

void page_read_neighbours(const struct page_read *pr, uint64_t vaddr,
			  const struct pagemap_entry **before_ret,
			  const struct pagemap_entry **after_ret)
{
	const struct pagemap_image *pi = &pr->g[0].pi;
	size_t i = first_beyond(pi, vaddr);

	*before_ret = i > 0 ? &pi->e[i - 1] : NULL;
	while (i < pi->nr && pi->e[i].vaddr <= vaddr)
		i++;
	*after_ret = i < pi->nr ? &pi->e[i] : NULL;
}

static uint64_t stored_place(const struct pagemap_image *pi, const struct pagemap_entry *e,
			     uint64_t vaddr)
{
	if (!e->block_pages)
		return e->stored_off + (vaddr - e->vaddr);
	return pi->block[e->block + (vaddr - e->vaddr) / PAGE_BYTES / e->block_pages].off;
}

struct err *page_read_locate(const struct page_read *pr, uint64_t vaddr, struct page_place *ret)
{
	for (size_t g = 0; g < pr->nr; g++) {
		const struct pagemap_image *pi = &pr->g[g].pi;
		ssize_t i = pagemap_image_find(pi, vaddr);

		if (i < 0)
			return err_vaddr(err_new(ERR_CHECK, "%lx is in no entry of %s/%s", vaddr,
						 pr->g[g].dir, pr->name),
					 vaddr);
		if (pi->e[i].flags & PE_PARENT)
			continue;
		if (pr->g[g].at_server) {
			AUTO_FREE char *who = at_server_who(pr->g[g].dirfd);

			return err_vaddr(err_new(ERR_CHECK,
						 "%lx is not here: %s holds it, as %s tells", vaddr,
						 who, pr->g[g].dir),
					 vaddr);
		}
		if (!(pi->e[i].flags & PE_PRESENT))
			return err_vaddr(err_new(ERR_CHECK,
						 "%lx is in %s/%s, but without data (lazy)", vaddr,
						 pr->g[g].dir, pr->name),
					 vaddr);
		*ret = (struct page_place){
			.generation = (unsigned)g,
			.pages_id = pi->pages_id,
			.off = pi->e[i].pages_off + (vaddr - pi->e[i].vaddr),
			.flags = pi->e[i].flags,
			.block_pages = pi->e[i].block_pages,
			.stored_off = stored_place(pi, &pi->e[i], vaddr),
		};
		return NULL;
	}
	if (pr->broken)
		return err_vaddr(err_new(ERR_CHECK,
					 "%lx is a hole in %s/%s, and the chain ends there: %s",
					 vaddr, pr->g[pr->nr - 1].dir, pr->name, pr->broken),
				 vaddr);
	return err_vaddr(err_new(ERR_CHECK,
				 "%lx is a hole in %s/%s, which has no parent with this object",
				 vaddr, pr->g[pr->nr - 1].dir, pr->name),
			 vaddr);
}

struct err *page_read_page(const struct page_read *pr, uint64_t vaddr, void *buf)
{
	AUTO_PAGES_FILE struct pages_file f = PAGES_FILE_INIT;
	struct page_place p;

	TRY(page_read_locate(pr, vaddr, &p));

	const struct generation *g = &pr->g[p.generation];

	TRY(pages_file_open(g->dirfd, g->dir, &g->pi, &f));
	return pages_file_read(&f, p.off, buf, PAGE_BYTES);
}

size_t page_read_generations(const struct page_read *pr)
{
	return pr->nr;
}

const char *page_read_dir(const struct page_read *pr, size_t generation)
{
	return pr->g[generation].dir;
}

const struct pagemap_image *page_read_image(const struct page_read *pr, size_t generation)
{
	return &pr->g[generation].pi;
}

char *page_read_server(const struct page_read *pr, size_t generation)
{
	const struct generation *g = &pr->g[generation];

	return g->at_server ? at_server_who(g->dirfd) : NULL;
}

bool page_read_leads_to_server(const struct page_read *pr)
{
	for (size_t g = 0; g < pr->nr; g++)
		if (pr->g[g].at_server)
			return true;
	return false;
}

struct err *parent_info_read(int dirfd, struct parent_info *ret)
{
	ProtobufCMessage *m;

	TRY(image_read_one(dirfd, "inventory.img", IMG_INVENTORY, &m));

	const Criu__InventoryEntry *inv = (const Criu__InventoryEntry *)m;

	*ret = (struct parent_info){
		.has_uptime = inv->has_dump_uptime,
		.dump_uptime_us = inv->dump_uptime,
		.pre_dump_mode = inv->pre_dump_mode,
		.img_version = inv->img_version,
	};
	protobuf_c_message_free_unpacked(m, NULL);
	return NULL;
}
