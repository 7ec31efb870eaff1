/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/image/verify.h"
#include "proto/message.h"

#define GENERATIONS_MAX 1000

struct chain_check {
	Stepdump__VerifyReport *r;
	struct {
		dev_t dev;
		ino_t ino;
	} * seen;
	size_t nr_seen;
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

/* As verify_dirfd() names the files of parents. */
static char *file_of_generation(const char *file, unsigned generation)
{
	if (!generation)
		return xstrdup(file);
	return generation == 1 ? xasprintf("parent/%s", file) :
				 xasprintf("parent (%u generations back)/%s", generation, file);
}

/* The chain of holes led there already. */
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
		char *file = file_of_generation(f->file, generation);

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

static char *path_of_fd(int fd)
{
	char link[32], path[PATH_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	return xstrdup(path);
}

/* ERR_CHECK is a finding, and in the report; anything else kept us from looking. */
static struct err *check_generation(struct chain_check *c, int dirfd, unsigned generation)
{
	struct verify_report vr;
	struct err *e = verify_dirfd(dirfd, &vr);

	if (e && e->code == ERR_CHECK) {
		err_free(e);
		e = NULL;
	}
	if (!e) {
		Stepdump__Generation *g =
			msg_push(&c->r->generations, &c->r->n_generations, sizeof(*g));

		stepdump__generation__init(g);
		g->dir = path_of_fd(dirfd);
		SET(g, files, vr.files);
		SET(g, pagemaps, vr.pagemaps);
		SET(g, entries, vr.entries);
		SET(g, pages_stored, vr.pages_present);
		SET(g, pages_in_parent, vr.pages_in_parent);
		SET(g, pre_dump, vr.pre_dump);
		if (vr.has_uptime)
			SET(g, dump_uptime_us, vr.dump_uptime_us);
		take_findings(c, &vr, generation);
	}
	verify_report_deinit(&vr);
	return e;
}

static bool was_seen(struct chain_check *c, int dirfd)
{
	struct stat st;
	void *p = reallocarray(c->seen, c->nr_seen + 1, sizeof(*c->seen));

	if (!p)
		abort();
	c->seen = p;
	if (fstat(dirfd, &st))
		return true;
	for (size_t i = 0; i < c->nr_seen; i++)
		if (c->seen[i].dev == st.st_dev && c->seen[i].ino == st.st_ino)
			return true;
	c->seen[c->nr_seen].dev = st.st_dev;
	c->seen[c->nr_seen++].ino = st.st_ino;
	return false;
}

static struct err *check_parents(struct chain_check *c, int dirfd)
{
	struct err *e = NULL;
	unsigned generation = 0;

	dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	while (!e && dirfd >= 0) {
		struct stat st;
		int up = openat(dirfd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (up < 0) {
			int why = errno;
			bool link = !fstatat(dirfd, "parent", &st, AT_SYMLINK_NOFOLLOW);

			if (link)
				push_finding(
					c, generation, false, "parent",
					xasprintf("the link leads nowhere: %s", strerror(why)));
			c->r->nr_notes += link;
		} else if (was_seen(c, up) || generation == GENERATIONS_MAX) {
			push_finding(c, generation, true, "parent",
				     xstrdup("the links go round in a circle"));
			c->r->nr_fatal++;
			close(up);
			up = -1;
		}
		close(dirfd);
		dirfd = up;
		if (dirfd >= 0)
			e = check_generation(c, dirfd, ++generation);
	}
	if (dirfd >= 0)
		close(dirfd);
	return e;
}

struct err *chain_verify(const char *dir, Stepdump__VerifyReport **ret)
{
	struct chain_check c = { .r = xzalloc(sizeof(*c.r)) };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err *e = fd < 0 ? err_sys(errno, "open the image directory %s", dir) : NULL;

	stepdump__verify_report__init(c.r);
	c.r->dir = xstrdup(dir);
	if (!e) {
		was_seen(&c, fd);
		e = check_generation(&c, fd, 0);
	}
	if (!e)
		e = check_parents(&c, fd);
	if (fd >= 0)
		close(fd);
	free(c.seen);
	if (e) {
		stepdump__verify_report__free_unpacked(c.r, NULL);
		return err_wrap(e, "verify %s", dir);
	}
	*ret = c.r;
	return NULL;
}
