/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of regions: filling, working, verifying, recording. */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct region regions[MAX_REGIONS];
unsigned nr_regions;
static uint64_t verified;
static int mem_fd = -1, maps_fd = -1;

static enum rule rule_content(const struct region *r, size_t page)
{
	return page % r->every ? R_ABSENT : R_CONTENT;
}

struct region *region_add(const char *name, void *base, size_t bytes, int prot)
{
	struct region *r = &regions[nr_regions];

	if (nr_regions == MAX_REGIONS)
		die("too many regions");
	*r = (struct region){ .name = name,
			      .id = nr_regions + 1,
			      .base = base,
			      .pages = bytes / PAGE,
			      .prot = prot,
			      .prot_odd = prot,
			      .every = 1,
			      .rule = rule_content,
			      .w_step = 1 };
	if (prot & PROT_WRITE)
		r->w_end = r->pages;
	pthread_mutex_init(&r->lock, NULL);
	nr_regions++;
	return r;
}

static uint32_t page_nr(const struct region *r, size_t page)
{
	return r->same ? 0 : page + r->alias_page;
}

static const struct region *owner(const struct region *r)
{
	return r->alias ? r->alias : r;
}

static uint64_t page_gen(const struct region *r, size_t page)
{
	const struct region *o = owner(r);

	return o->gen[(page + r->alias_page) / o->every];
}

void region_fill(struct region *r)
{
	size_t nr = (r->pages + r->every - 1) / r->every;

	/* The table is made by mmap, so that malloc's own layout does not depend on regions. */
	r->gen = map_or_die((nr * 8 + PAGE - 1) & ~(PAGE - 1), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (size_t i = 0; i < r->pages; i += r->every) {
		unsigned char *p = r->base + i * PAGE;

		switch (r->rule(r, i)) {
		case R_CONTENT:
		case R_EITHER:
			r->gen[i / r->every] = 1;
			page_make(p, r->id, page_nr(r, i), 1);
			break;
		case R_ZERO_WRITTEN:
			memset(p, 1, PAGE);
			memset(p, 0, PAGE);
			break;
		case R_ZERO_READ:
			(void)*(volatile unsigned char *)p;
			break;
		case R_CLEAN:
			r->gen[i / r->every] = 1;
			break;
		case R_GUARD:
		case R_ABSENT:
		case R_OPAQUE:
			break;
		}
	}
}

void region_write_page(struct region *r, size_t page)
{
	pthread_mutex_lock(&r->lock);
	page_make(r->base + page * PAGE, r->id, page_nr(r, page), ++r->gen[page / r->every]);
	pthread_mutex_unlock(&r->lock);
}

static const void *read_page(const struct region *r, size_t page, unsigned char *buf)
{
	unsigned char *p = r->base + page * PAGE;

	if (!r->unreadable)
		return p;
	if (mem_fd < 0)
		mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	return pread(mem_fd, buf, PAGE, (off_t)(uintptr_t)p) == PAGE ? buf : NULL;
}

static void verify_page(struct region *r, size_t page)
{
	static unsigned char buf[PAGE];
	const void *p = NULL;
	const char *bad = NULL;

	switch (r->rule(r, page)) {
	case R_CONTENT:
	case R_CLEAN:
		p = read_page(r, page, buf);
		bad = p ? page_check(p, owner(r)->id, page_nr(r, page), page_gen(r, page)) :
			  "unreadable";
		break;
	case R_EITHER:
		p = read_page(r, page, buf);
		if (!page_is_zero(p))
			bad = page_check(p, r->id, page_nr(r, page), page_gen(r, page));
		break;
	case R_ZERO_READ:
	case R_ZERO_WRITTEN:
		p = read_page(r, page, buf);
		bad = page_is_zero(p) ? NULL : "not zero any more";
		break;
	case R_GUARD: {
		int fd = mem_fd < 0 ? open("/proc/self/mem", O_RDONLY | O_CLOEXEC) : mem_fd;

		mem_fd = fd;
		if (pread(fd, buf, 1, (off_t)(uintptr_t)(r->base + page * PAGE)) == 1)
			bad = "guard gone";
		break;
	}
	case R_ABSENT:
	case R_OPAQUE:
		return;
	}
	verified++;
	if (bad)
		damage("%s page %zu at %p: %s", r->name, page, (void *)(r->base + page * PAGE),
		       bad);
}

/* The lock is given back now and then, or workers would starve on a big region. */
void region_verify(struct region *r)
{
	pthread_mutex_t *lock = &regions[owner(r)->id - 1].lock;
	size_t done = 0;

	pthread_mutex_lock(lock);
	for (size_t i = 0; i < r->pages; i += r->every) {
		verify_page(r, i);
		if (++done % 64 == 0) {
			pthread_mutex_unlock(lock);
			pthread_mutex_lock(lock);
		}
	}
	pthread_mutex_unlock(lock);
}

uint64_t pages_verified(void)
{
	return verified;
}

struct map_line {
	uint64_t start, end;
	int prot;
	bool shared;
};

static void check_line(const struct map_line *m, uint64_t *covered)
{
	for (unsigned i = 0; i < nr_regions; i++) {
		const struct region *r = &regions[i];
		uint64_t s = (uintptr_t)r->base, e = s + r->pages * PAGE;
		uint64_t from = m->start > s ? m->start : s, to = m->end < e ? m->end : e;

		if (from >= to)
			continue;
		covered[i] += to - from;
		if (r->prot != r->prot_odd && to - from != PAGE) {
			damage("%s: mappings %" PRIx64 "-%" PRIx64 " have merged", r->name, from,
			       to);
			continue;
		}
		int want = (from - s) / PAGE % 2 ? r->prot_odd : r->prot;

		if (m->prot != want || m->shared != r->shared)
			damage("%s at %" PRIx64 ": protection %d%s, should be %d%s", r->name, from,
			       m->prot, m->shared ? " shared" : "", want,
			       r->shared ? " shared" : "");
	}
}

static void parse_line(const char *line, uint64_t *covered)
{
	struct map_line m;
	char perm[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &m.start, &m.end, perm) != 3)
		return;
	m.prot = (perm[0] == 'r' ? PROT_READ : 0) | (perm[1] == 'w' ? PROT_WRITE : 0) |
		 (perm[2] == 'x' ? PROT_EXEC : 0);
	m.shared = perm[3] == 's';
	if (strstr(line, "CRIUMFD"))
		damage("a parasite was left behind: %s", line);
	check_line(&m, covered);
}

void maps_verify(void)
{
	static char buf[65536 + 1];
	uint64_t covered[MAX_REGIONS] = { 0 };
	size_t have = 0;

	if (maps_fd < 0)
		maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	lseek(maps_fd, 0, SEEK_SET);
	for (;;) {
		ssize_t n = read(maps_fd, buf + have, sizeof(buf) - 1 - have);
		char *line = buf, *nl;

		if (n <= 0)
			break;
		have += n;
		buf[have] = 0;
		while ((nl = strchr(line, '\n'))) {
			*nl = 0;
			parse_line(line, covered);
			line = nl + 1;
		}
		have = buf + have - line;
		memmove(buf, line, have);
	}
	for (unsigned i = 0; i < nr_regions; i++)
		if (covered[i] != regions[i].pages * PAGE)
			damage("%s: only %" PRIu64 " of %zu bytes are mapped", regions[i].name,
			       covered[i], regions[i].pages * PAGE);
}

static const char *const rule_names[] = {
	[R_CONTENT] = "content",     [R_CLEAN] = "clean",
	[R_ZERO_READ] = "zero-read", [R_ZERO_WRITTEN] = "zero-written",
	[R_EITHER] = "either",       [R_GUARD] = "guard",
	[R_ABSENT] = "absent",       [R_OPAQUE] = "opaque",
};

/*
 * region NAME START END PROT private|shared
 * page ADDR RULE CRC32 [GENERATION]
 * The CRC is taken from the rule, in a buffer of our own, not from the memory in question.
 */
void regions_record(const char *file)
{
	FILE *f = fopen(file, "w");
	static unsigned char buf[PAGE];

	if (!f)
		die("%s: %s", file, strerror(errno));
	fprintf(f, "pid %d\nseed %" PRIu64 "\n", getpid(), opt.seed);
	for (unsigned i = 0; i < nr_regions; i++) {
		const struct region *r = &regions[i];

		fprintf(f, "region %s %p %p %d %s\n", r->name, (void *)r->base,
			(void *)(r->base + r->pages * PAGE), r->prot,
			r->shared ? "shared" : "private");
		for (size_t p = 0; p < r->pages; p += r->every) {
			enum rule rule = r->rule(r, p);
			uint64_t gen = 0;

			memset(buf, 0, PAGE);
			if (rule == R_CONTENT || rule == R_CLEAN || rule == R_EITHER) {
				gen = page_gen(r, p);
				page_make(buf, owner(r)->id, page_nr(r, p), gen);
			}
			fprintf(f, "page %p %s %08x %" PRIu64 "\n", (void *)(r->base + p * PAGE),
				rule_names[rule], page_crc32(buf), gen);
		}
	}
	if (fclose(f))
		die("%s: %s", file, strerror(errno));
}
