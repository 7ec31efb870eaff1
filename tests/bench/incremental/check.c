/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do the images contain what they should?  A rule decides; neither the tracker nor the engine is
 * asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/image/pagemap_image.h"

#include "tests/bench/incremental/incremental.h"

enum { NOTHING, DATA, HOLE };

static struct err *check_data(const struct writer *w, int fd, uint64_t i, uint64_t generation,
			      uint64_t off)
{
	uint64_t word[PAGE / 8];

	if (pread(fd, word, PAGE, (off_t)off) != (ssize_t)PAGE)
		return err_sys(errno, "read the pages image: it is short");
	for (unsigned k = 0; k < PAGE / 8; k++)
		if (word[k] != page_word(i, generation, k))
			return err_new(ERR_CHECK, "page %llu of the target differs from word %u on",
				       (unsigned long long)i, k);
	return NULL;
}

static struct err *note_entry(const struct writer *w, int fd, const struct pagemap_entry *e,
			      uint64_t generation, uint8_t *state)
{
	for (uint64_t k = 0; k < e->nr_pages; k++) {
		uint64_t i = (e->vaddr + k * PAGE - w->base) / PAGE;

		if (e->vaddr + k * PAGE < w->base || i >= w->nr_pages)
			continue; /* stack, libc, ...: the live tests look at those */
		state[i] = e->flags & PE_PRESENT ? DATA : HOLE;
		if (state[i] == DATA)
			TRY(check_data(w, fd, i, generation, e->pages_off + k * PAGE));
	}
	return NULL;
}

static struct err *check_states(const struct writer *w, bool all, uint64_t generation,
				const uint8_t *state)
{
	for (uint64_t i = 0; i < w->nr_pages; i++)
		if (state[i] != (all || page_is_dirty(i, generation) ? DATA : HOLE))
			return err_new(ERR_CHECK, "page %llu of the target is %s in the images",
				       (unsigned long long)i,
				       state[i] == DATA ? "data" :
				       state[i] == HOLE ? "a hole" :
							  "not at all");
	return NULL;
}

struct err *check_images(const struct writer *w, const char *dir, bool all, uint64_t generation)
{
	struct pagemap_image pi;
	char name[32];
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(errno, "open %s", dir);
	snprintf(name, sizeof(name), "pagemap-%d.img", w->pid);
	struct err *e = pagemap_image_read(dirfd, name, &pi);

	if (!e) {
		uint8_t *state = calloc(w->nr_pages, 1);

		snprintf(name, sizeof(name), "pages-%u.img", pi.pages_id);
		int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

		if (!state || fd < 0)
			e = err_sys(errno, "open %s", name);
		for (size_t i = 0; !e && i < pi.nr; i++)
			e = note_entry(w, fd, &pi.e[i], generation, state);
		if (!e)
			e = check_states(w, all, generation, state);
		free(state);
		if (fd >= 0)
			close(fd);
		pagemap_image_deinit(&pi);
	}
	close(dirfd);
	return e;
}
