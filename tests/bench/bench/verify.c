/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do the images contain what the target contains?  Its contents follow from a rule, so no other
 * witness is needed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/image/pagemap_image.h"

#include "tests/bench/bench/bench.h"

#define BLOCK_PAGES 256u

static struct err *check_page(const struct load *l, uint64_t vaddr, const uint64_t *word)
{
	if (!load_has_page(l, (vaddr - l->base) / PAGE))
		return err_vaddr(err_new(ERR_CHECK,
					 "page %llx is in the images: the target has none "
					 "there",
					 (unsigned long long)vaddr),
				 vaddr);
	for (size_t i = 0; i < PAGE / 8; i++)
		if (word[i] != load_word(vaddr, i))
			return err_vaddr(err_new(ERR_CHECK, "page %llx differs from word %zu on",
						 (unsigned long long)vaddr, i),
					 vaddr);
	return NULL;
}

static struct err *check_entry(const struct load *l, int fd, const struct pagemap_entry *e,
			       uint64_t *found)
{
	static uint64_t buf[BLOCK_PAGES * PAGE / 8];

	for (uint64_t done = 0; done < e->nr_pages;) {
		uint64_t n = e->nr_pages - done < BLOCK_PAGES ? e->nr_pages - done : BLOCK_PAGES;

		if (pread(fd, buf, n * PAGE, (off_t)(e->pages_off + done * PAGE)) !=
		    (ssize_t)(n * PAGE))
			return err_sys(errno, "read the pages image: it is short");
		for (uint64_t i = 0; i < n; i++, done++) {
			uint64_t vaddr = e->vaddr + done * PAGE;

			if (vaddr < l->base || vaddr >= l->base + l->span * PAGE)
				continue; /* stack, libc, ...: the live tests look at those */
			TRY(check_page(l, vaddr, buf + i * PAGE / 8));
			++*found;
		}
	}
	return NULL;
}

static struct err *check_pages(const struct load *l, int dirfd, const struct pagemap_image *pi)
{
	char name[32];
	struct stat st;
	uint64_t found = 0;
	struct err *e = NULL;

	snprintf(name, sizeof(name), "pages-%u.img", pi->pages_id);
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		return err_sys(errno, "open %s", name);
	for (size_t i = 0; !e && i < pi->nr; i++)
		if (pi->e[i].flags & PE_PRESENT)
			e = check_entry(l, fd, &pi->e[i], &found);
	close(fd);
	/* Entries ascend (pagemap_image_check()), so no page was counted twice. */
	if (!e && found != l->nr_pages)
		e = err_new(ERR_CHECK,
			    "%llu pages of the target's region are in the images, not %llu",
			    (unsigned long long)found, (unsigned long long)l->nr_pages);
	if (!e && (uint64_t)st.st_size != pi->nr_present * PAGE)
		e = err_new(ERR_CHECK, "%s has %lld bytes for %llu pages", name,
			    (long long)st.st_size, (unsigned long long)pi->nr_present);
	return e;
}

struct err *verify_images(const struct load *l, const char *dir)
{
	char name[4096];
	struct pagemap_image pi;

	snprintf(name, sizeof(name), "%s/img", dir);
	int dirfd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(errno, "open %s", name);
	snprintf(name, sizeof(name), "pagemap-%d.img", l->pid);
	struct err *e = pagemap_image_read(dirfd, name, &pi);

	if (!e) {
		e = pagemap_image_check(&pi, name);
		if (!e)
			e = check_pages(l, dirfd, &pi);
		pagemap_image_deinit(&pi);
	}
	close(dirfd);
	return e;
}
