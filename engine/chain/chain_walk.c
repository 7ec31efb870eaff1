/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/flatdir.h"
#include "engine/proc/vma.h"

struct err *chain_check_stop(chain_stop_t stop)
{
	return stop && *stop ?
		       err_new(ERR_INTERRUPTED, "stopped by the operator; nothing was changed") :
		       NULL;
}

/* ---- runs ---------------------------------------------------------------------------------- */

struct err *chain_run_at(const struct page_read *pr, uint64_t vaddr, uint64_t end,
			 struct chain_run *ret)
{
	struct chain_run run = { .start = vaddr, .end = end };

	TRY(page_read_locate(pr, vaddr, &run.place));
	/* The run ends where a generation on the way begins a new entry. */
	for (unsigned g = 0; g <= run.place.generation; g++) {
		const struct pagemap_image *pi = page_read_image(pr, g);
		uint64_t entry_end = pagemap_entry_end(&pi->e[pagemap_image_find(pi, vaddr)]);

		if (entry_end < run.end)
			run.end = entry_end;
	}
	*ret = run;
	return NULL;
}

/* ---- contents ------------------------------------------------------------------------------ */

struct err *chain_reader_init(struct chain_reader *r, const struct page_read *pr)
{
	size_t nr = pr ? page_read_generations(pr) : 0;

	*r = (struct chain_reader){ .pr = pr };
	r->file = xcalloc(nr, sizeof(*r->file));
	for (size_t i = 0; i < nr; i++)
		r->file[i].pages = (struct pages_file)PAGES_FILE_INIT;
	return NULL;
}

void chain_reader_deinit(struct chain_reader *r)
{
	size_t nr = r->pr && r->file ? page_read_generations(r->pr) : 0;

	for (size_t i = 0; i < nr; i++)
		pages_file_close(&r->file[i].pages);
	free(r->file);
	*r = (struct chain_reader){ 0 };
}

struct err *chain_reader_file(struct chain_reader *r, const struct page_place *p,
			      const struct chain_file **ret)
{
	struct chain_file *f = &r->file[p->generation];
	const char *dir = page_read_dir(r->pr, p->generation);
	struct stat st;

	if (f->pages.fd < 0) {
		AUTO_CLOSE int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dirfd < 0)
			return err_sys(errno, "open the image directory %s", dir);
		TRY(pages_file_open(dirfd, dir, page_read_image(r->pr, p->generation), &f->pages));
		if (fstat(f->pages.fd, &st))
			return err_sys(errno, "stat %s", f->pages.name);
		f->dev = st.st_dev;
		f->ino = st.st_ino;
	}
	*ret = f;
	return NULL;
}

struct err *chain_reader_read(struct chain_reader *r, const struct chain_run *run, uint64_t off,
			      void *buf, size_t len)
{
	const struct chain_file *f = NULL;

	TRY(chain_reader_file(r, &run->place, &f));
	return pages_file_read(&r->file[run->place.generation].pages, run->place.off + off, buf,
			       len);
}

/* ---- objects ------------------------------------------------------------------------------- */

struct add_arg {
	struct chain_objects *l;
	pid_t pid;
};

static struct err *walk_add_object(void *arg, int dirfd, const char *name)
{
	const struct add_arg *a = arg;
	struct chain_objects *l = a->l;
	uint64_t id;
	const struct image_desc *d = image_desc_by_name(name, &id);

	if (!d || (d->kind != IMG_PAGEMAP && d->kind != IMG_SHMEM_PAGEMAP))
		return NULL;
	if (a->pid && (d->kind != IMG_PAGEMAP || id != (uint64_t)a->pid))
		return NULL;
	for (size_t i = 0; i < l->nr; i++)
		if (!strcmp(l->o[i].name, name))
			return NULL;

	struct chain_object *o = vec_push(l->o, l->nr);

	o->is_shmem = d->kind == IMG_SHMEM_PAGEMAP;
	o->id = id;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return NULL;
}

static int compare_objects(const void *a, const void *b)
{
	const struct chain_object *x = a, *y = b;

	if (x->is_shmem != y->is_shmem)
		return x->is_shmem - y->is_shmem;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct err *chain_objects_add(struct chain_objects *l, int dirfd, const char *dir, pid_t pid)
{
	struct add_arg a = { l, pid };

	TRY(flatdir_each(dirfd, dir, walk_add_object, &a));
	vec_sort(l->o, l->nr, compare_objects);
	return NULL;
}

void chain_objects_deinit(struct chain_objects *l)
{
	free(l->o);
	*l = (struct chain_objects){ 0 };
}
