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
#include <sys/stat.h>
#include <unistd.h>

#include "engine/image/image.h"
#include "engine/proc/vma.h"
#include "proto/inventory.pb-c.h"

#define GENERATIONS_MAX 1024

struct generation {
	int dirfd;
	char *dir; /* real path */
	dev_t dev;
	ino_t ino;
	struct pagemap_image pi;
};

struct page_read {
	char *name;
	struct generation *g;
	size_t nr;
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
	free(pr->name);
	free(pr);
}

static char *path_of_fd(int fd)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return realpath(link, NULL);
}

/* Takes the directory over.  *more_ret: it has this object's pagemap, and is now a generation. */
static struct err *add_generation(struct page_read *pr, int dirfd, bool *more_ret)
{
	struct generation g = { .dirfd = dirfd, .dir = path_of_fd(dirfd) };
	struct stat st;
	void *p = reallocarray(pr->g, pr->nr + 1, sizeof(*pr->g));
	struct err *e = p && g.dir ? NULL : err_nomem();

	if (p)
		pr->g = p;
	*more_ret = false;
	if (!e && fstat(dirfd, &st))
		e = err_sys(errno, "stat the image directory %s", g.dir);
	if (!e) {
		g.dev = st.st_dev;
		g.ino = st.st_ino;
		for (size_t i = 0; i < pr->nr && !e; i++)
			if (pr->g[i].dev == g.dev && pr->g[i].ino == g.ino)
				e = err_new(ERR_CHECK, "the parent links of %s lead back to it",
					    g.dir);
	}
	if (!e) {
		e = pagemap_image_read(dirfd, pr->name, &g.pi);
		if (e && e->sys_errno == ENOENT) { /* the chain of this object ends above */
			err_free(e);
			close(dirfd);
			free(g.dir);
			return NULL;
		}
		if (!e) {
			e = pagemap_image_check(&g.pi, pr->name);
			if (e)
				pagemap_image_deinit(&g.pi);
		}
		e = err_wrap(e, "%s", g.dir);
	}
	if (e) {
		close(dirfd);
		free(g.dir);
		return e;
	}
	pr->g[pr->nr++] = g;
	*more_ret = true;
	return NULL;
}

static struct err *open_chain(struct page_read *pr, int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool more;

	if (fd < 0)
		return err_sys(errno, "open an image directory");
	TRY(add_generation(pr, fd, &more));
	while (more) {
		const struct generation *last = &pr->g[pr->nr - 1];

		if (pr->nr == GENERATIONS_MAX)
			return err_new(ERR_CHECK, "%s: more than %d generations of parents",
				       pr->g[0].dir, GENERATIONS_MAX);
		fd = openat(last->dirfd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return NULL;
		if (fd < 0)
			return err_sys(errno, "open the parent of %s", last->dir);
		TRY(add_generation(pr, fd, &more));
	}
	return NULL;
}

struct err *page_read_open(int dirfd, const char *name, struct page_read **ret)
{
	struct page_read *pr = calloc(1, sizeof(*pr));
	struct err *e;

	if (!pr)
		return err_nomem();
	pr->name = strdup(name);
	e = pr->name ? open_chain(pr, dirfd) : err_nomem();
	if (e || !pr->nr) {
		page_read_close(pr);
		if (!e)
			*ret = NULL;
		return e;
	}
	*ret = pr;
	return NULL;
}

/* Index of the first entry that ends beyond vaddr; nr if there is none. */
static size_t first_beyond(const struct pagemap_image *pi, uint64_t vaddr)
{
	size_t lo = 0, hi = pi->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pagemap_entry_end(&pi->e[mid]) <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Down to data: a PARENT entry is worth as much as what is behind it. */
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

struct err *page_read_locate(const struct page_read *pr, uint64_t vaddr, struct page_place *ret)
{
	for (size_t g = 0; g < pr->nr; g++) {
		const struct pagemap_image *pi = &pr->g[g].pi;
		ssize_t i = pagemap_image_find(pi, vaddr);

		if (i < 0)
			return err_vaddr(err_new(ERR_CHECK, "%llx is in no entry of %s/%s",
						 (unsigned long long)vaddr, pr->g[g].dir, pr->name),
					 vaddr);
		if (pi->e[i].flags & PE_PARENT)
			continue;
		if (!(pi->e[i].flags & PE_PRESENT))
			return err_vaddr(err_new(ERR_CHECK,
						 "%llx is in %s/%s, but without data (lazy)",
						 (unsigned long long)vaddr, pr->g[g].dir, pr->name),
					 vaddr);
		*ret = (struct page_place){
			.generation = (unsigned)g,
			.pages_id = pi->pages_id,
			.off = pi->e[i].pages_off + (vaddr - pi->e[i].vaddr),
			.flags = pi->e[i].flags,
		};
		return NULL;
	}
	return err_vaddr(err_new(ERR_CHECK,
				 "%llx is a hole in %s/%s, which has no parent with this object",
				 (unsigned long long)vaddr, pr->g[pr->nr - 1].dir, pr->name),
			 vaddr);
}

struct err *page_read_page(const struct page_read *pr, uint64_t vaddr, void *buf)
{
	struct page_place p;
	char file[32];

	TRY(page_read_locate(pr, vaddr, &p));
	snprintf(file, sizeof(file), "pages-%u.img", p.pages_id);
	int fd = openat(pr->g[p.generation].dirfd, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(errno, "open %s/%s", pr->g[p.generation].dir, file);
	ssize_t n = pread(fd, buf, PAGE_BYTES, (off_t)p.off);
	int why = errno;

	close(fd);
	if (n == (ssize_t)PAGE_BYTES)
		return NULL;
	if (n < 0)
		return err_sys(why, "read %s/%s", pr->g[p.generation].dir, file);
	return err_new(ERR_CHECK, "%s/%s ends before byte %llu", pr->g[p.generation].dir, file,
		       (unsigned long long)(p.off + PAGE_BYTES));
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
