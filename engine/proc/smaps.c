/* SPDX-License-Identifier: GPL-3.0-or-later */
/* /proc/PID/smaps -> struct vma_list: a line reader and a parser of one VMA. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "engine/proc/proc.h"
#include "engine/proc/proc_priv.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

/* A path has at most 4096 bytes, and the kernel prints at most four for each. */
#define LINE_CAP 65536u

/* ---- lines --------------------------------------------------------------- */

struct lines {
	int fd;    /* -1: all text is in memory */
	char *buf; /* fd >= 0 only; owned */
	const char *text;
	size_t pos, len;
	bool eof;
};

static void lines_init_fd(struct lines *l, int fd)
{
	char *buf = xcalloc(LINE_CAP, 1);

	*l = (struct lines){ .fd = fd, .buf = buf, .text = buf };
}

static void lines_init_text(struct lines *l, const char *text, size_t len)
{
	*l = (struct lines){ .fd = -1, .text = text, .len = len, .eof = true };
}

static void lines_deinit(struct lines *l)
{
	free(l->buf);
}

static struct err *lines_fill(struct lines *l)
{
	ssize_t n;

	memmove(l->buf, l->buf + l->pos, l->len - l->pos);
	l->len -= l->pos;
	l->pos = 0;
	if (l->len == LINE_CAP)
		return err_new(ERR_FORMAT, "a line of more than %u bytes", LINE_CAP);
	n = RETRY(read(l->fd, l->buf + l->len, LINE_CAP - l->len));
	if (n < 0)
		return err_sys(errno, "read");
	l->eof = n == 0;
	l->len += n;
	return NULL;
}

/* *ret_line is NULL at the end; it is valid until the next call.  The newline is not in it. */
static struct err *lines_next(struct lines *l, const char **ret_line, size_t *ret_len)
{
	size_t seen = 0;

	for (;;) {
		const char *line = l->text + l->pos;
		size_t avail = l->len - l->pos;
		const char *nl = avail > seen ? memchr(line + seen, '\n', avail - seen) : NULL;

		if (!nl && !l->eof) {
			seen = avail;
			TRY(lines_fill(l));
			continue;
		}
		*ret_line = avail ? line : NULL;
		*ret_len = nl ? (size_t)(nl - line) : avail;
		l->pos += *ret_len + (nl != NULL);
		return NULL;
	}
}

/* ---- one header line ------------------------------------------------------ */

struct cursor {
	const char *p, *end;
};

static bool take_number(struct cursor *c, unsigned base, uint64_t *ret)
{
	const uint64_t max = UINT64_MAX;
	uint64_t value = 0;
	const char *start = c->p;

	for (; c->p < c->end; c->p++) {
		char ch = *c->p;
		unsigned digit;

		if (ch >= '0' && ch <= '9')
			digit = ch - '0';
		else if (base == 16 && ch >= 'a' && ch <= 'f')
			digit = ch - 'a' + 10;
		else
			break;
		if (value > (max - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret = value;
	return c->p > start;
}

static bool take_char(struct cursor *c, char ch)
{
	if (c->p == c->end || *c->p != ch)
		return false;
	c->p++;
	return true;
}

/* "rw-p": one letter or '-'. */
static bool take_perm(struct cursor *c, char letter, uint32_t bit, uint32_t *prot)
{
	if (take_char(c, letter)) {
		*prot |= bit;
		return true;
	}
	return take_char(c, '-');
}

/* "start-end perms pgoff major:minor ino   name".  *name is the rest of the line. */
static bool parse_header(const char *line, size_t len, struct vma *v, struct cursor *name)
{
	struct cursor c = { line, line + len };
	uint64_t major, minor;

	*v = (struct vma){ .hugepage_kb = 4 };
	if (!take_number(&c, 16, &v->start) || !take_char(&c, '-') ||
	    !take_number(&c, 16, &v->end) || !take_char(&c, ' ') ||
	    !take_perm(&c, 'r', PROT_READ, &v->prot) || !take_perm(&c, 'w', PROT_WRITE, &v->prot) ||
	    !take_perm(&c, 'x', PROT_EXEC, &v->prot))
		return false;
	if (take_char(&c, 's')) {
		v->flags = MAP_SHARED;
		v->vmf = VMF_SHARED;
	} else if (take_char(&c, 'p')) {
		v->flags = MAP_PRIVATE;
	} else {
		return false;
	}
	if (!take_char(&c, ' ') || !take_number(&c, 16, &v->pgoff) || !take_char(&c, ' ') ||
	    !take_number(&c, 16, &major) || !take_char(&c, ':') || !take_number(&c, 16, &minor) ||
	    !take_char(&c, ' ') || !take_number(&c, 10, &v->ino))
		return false;
	if (c.p < c.end && *c.p != ' ')
		return false;
	v->dev = makedev(major, minor);
	while (take_char(&c, ' '))
		;
	*name = c;
	return v->start < v->end && !((v->start | v->end | v->pgoff) % PAGE_BYTES);
}

/* ---- the lines below it ---------------------------------------------------- */

static void apply_vmflag(struct vma *v, char a, char b)
{
	static const struct {
		char name[3];
		uint32_t flags;
		uint32_t vmf;
		uint64_t madv;
	} table[] = {
		{ "gd", MAP_GROWSDOWN, 0, 0 },
		{ "lo", MAP_LOCKED, VMF_LOCKED, 0 },
		{ "nr", MAP_NORESERVE, 0, 0 },
		{ "ht", MAP_HUGETLB, VMF_HUGETLB, 0 },
		{ "dp", MAP_DROPPABLE, VMF_DROPPABLE, 0 },
		{ "sr", 0, 0, 1ull << MADV_SEQUENTIAL },
		{ "rr", 0, 0, 1ull << MADV_RANDOM },
		{ "dc", 0, 0, 1ull << MADV_DONTFORK },
		{ "dd", 0, 0, 1ull << MADV_DONTDUMP },
		{ "mg", 0, 0, 1ull << MADV_MERGEABLE },
		{ "hg", 0, 0, 1ull << MADV_HUGEPAGE },
		{ "nh", 0, 0, 1ull << MADV_NOHUGEPAGE },
		{ "wf", 0, 0, 1ull << MADV_WIPEONFORK },
		{ "io", 0, VMF_IO, 0 },
		{ "pf", 0, VMF_PFNMAP, 0 },
		{ "sl", 0, VMF_SEALED, 0 },
		{ "um", 0, VMF_UFFD | VMF_UFFD_OWED, 0 },
		{ "uw", 0, VMF_UFFD, 0 },
		{ "ui", 0, VMF_UFFD | VMF_UFFD_OWED, 0 },
		{ "ss", 0, VMF_SHADOWSTACK, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].name[0] != a || table[i].name[1] != b)
			continue;
		v->flags |= table[i].flags;
		v->vmf |= table[i].vmf;
		v->madv |= table[i].madv;
	}
}

static void parse_vmflags(struct cursor c, struct vma *v)
{
	while (c.p < c.end) {
		const char *token = c.p;

		while (c.p < c.end && *c.p != ' ')
			c.p++;
		if (c.p - token == 2)
			apply_vmflag(v, token[0], token[1]);
		while (take_char(&c, ' '))
			;
	}
}

static bool take_key(struct cursor *c, const char *key)
{
	size_t len = strlen(key);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, key, len))
		return false;
	c->p += len;
	while (take_char(c, ' '))
		;
	return true;
}

/* Attributes that we do not know are skipped: every kernel adds some. */
static bool parse_attribute(const char *line, size_t len, struct vma *v)
{
	struct cursor c = { line, line + len };
	uint64_t kb;

	switch (line[0]) {
	case 'R':
		if (!take_key(&c, "Rss:"))
			return true;
		if (!take_number(&c, 10, &kb))
			return false;
		v->rss_bytes = kb * 1024;
		return true;
	case 'S':
		if (!take_key(&c, "Swap:"))
			return true;
		if (!take_number(&c, 10, &kb))
			return false;
		v->swap_bytes = kb * 1024;
		return true;
	case 'K':
		if (!take_key(&c, "KernelPageSize:"))
			return true;
		if (!take_number(&c, 10, &kb) || kb > UINT32_MAX)
			return false;
		v->hugepage_kb = kb;
		return true;
	case 'P':
		if (!take_key(&c, "ProtectionKey:"))
			return true;
		if (!take_number(&c, 10, &kb) || kb > UINT32_MAX)
			return false;
		v->pkey = (uint32_t)kb;
		return true;
	case 'V':
		if (take_key(&c, "VmFlags:"))
			parse_vmflags(c, v);
		return true;
	default:
		return true;
	}
}

/* ---- all of it ------------------------------------------------------------- */

/* FNV-1a, by words: the lines are many, and each is short. */
#define HASH_BEGIN 0xcbf29ce484222325ull
#define HASH_PRIME 0x100000001b3ull

static uint64_t hash_line(uint64_t hash, const char *line, size_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); line += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, line, sizeof(word));
		hash = (hash ^ word) * HASH_PRIME;
		hash ^= hash >> 29;
	}
	word = len;
	memcpy((char *)&word + 1, line, len);
	return (hash ^ word) * HASH_PRIME;
}

struct parser {
	const struct smaps_env *env;
	struct vma_list list;
	struct vma cur;
	bool has_cur;
	char *name; /* of cur; LINE_CAP + 1 bytes */
	uint64_t hash;
};

static struct err *finish_vma(struct parser *p)
{
	struct vma *v = &p->cur;
	struct vma *last = p->list.nr ? &p->list.v[p->list.nr - 1] : NULL;

	if (!p->has_cur)
		return NULL;
	p->has_cur = false;
	if (last && v->start < last->end)
		return err_vaddr(
			err_new(ERR_FORMAT, "mapping %lx is not above the one before it", v->start),
			v->start);
	v->name = p->name;
	vma_classify(v, p->name, p->env);
	/* CRIU 4.2 keeps the pages of the virtual clocks as the tail of vvar. */
	if (last && last->end == v->start && (v->status & VMA_AREA_VVAR) &&
	    (last->status & VMA_AREA_VVAR) && !strcmp(p->name, "[vvar_vclock]")) {
		last->end = v->end;
		return NULL;
	}
	vma_list_add(&p->list, v, p->name);
	return NULL;
}

static struct err *take_line(struct parser *p, const char *line, size_t len)
{
	struct cursor name;

	if (!len)
		return err_new(ERR_FORMAT, "an empty line in smaps");
	/* Attributes begin with a capital letter, headers with a hex digit. */
	if (line[0] < '0' || (line[0] > '9' && line[0] < 'a')) {
		if (!p->has_cur)
			return err_new(ERR_FORMAT, "smaps does not begin with a mapping");
		if (!parse_attribute(line, len, &p->cur))
			return err_new(ERR_FORMAT, "smaps of mapping %lx: bad line '%.*s'",
				       p->cur.start, len < 60 ? (int)len : 60, line);
		return NULL;
	}
	TRY(finish_vma(p));
	if (!parse_header(line, len, &p->cur, &name))
		return err_new(ERR_FORMAT, "smaps: bad line '%.*s'", len < 60 ? (int)len : 60,
			       line);

	size_t line_len = len;

	len = name.end - name.p;
	if (len > LINE_CAP)
		return err_new(ERR_FORMAT, "a name of more than %u bytes", LINE_CAP);
	memcpy(p->name, name.p, len);
	p->name[len] = '\0';
	p->has_cur = true;
	p->hash = hash_line(p->hash, line, line_len);
	return NULL;
}

static struct err *parse_lines(struct lines *l, struct parser *p)
{
	const char *line;
	size_t len;

	for (;;) {
		TRY(lines_next(l, &line, &len));
		if (!line)
			return finish_vma(p);
		TRY(take_line(p, line, len));
	}
}

static struct err *parse_all(struct lines *l, const struct smaps_env *env, struct vma_list *ret)
{
	struct parser p = { .env = env, .name = xcalloc(LINE_CAP + 1, 1), .hash = HASH_BEGIN };
	struct err *e = parse_lines(l, &p);

	free(p.name);
	if (e) {
		vma_list_deinit(&p.list);
		return e;
	}
	vma_list_count(&p.list);
	p.list.maps_hash = p.hash;
	*ret = p.list;
	return NULL;
}

struct err *parse_smaps(const char *text, size_t len, const struct smaps_env *env,
			struct vma_list *ret)
{
	struct lines l;

	lines_init_text(&l, text, len);
	return parse_all(&l, env, ret);
}

struct err *parse_smaps_fd(int fd, const struct smaps_env *env, struct vma_list *ret)
{
	struct lines l;

	lines_init_fd(&l, fd);
	struct err *e = parse_all(&l, env, ret);
	lines_deinit(&l);
	return e;
}

struct err *proc_maps_hash(pid_t pid, uint64_t *ret)
{
	uint64_t hash = HASH_BEGIN;
	struct err *e = NULL;
	const char *line;
	struct lines l;
	size_t len;
	int fd;

	TRY(proc_open(pid, "maps", O_RDONLY, &fd));
	lines_init_fd(&l, fd);
	while (!(e = lines_next(&l, &line, &len)) && line)
		hash = hash_line(hash, line, len);
	lines_deinit(&l);
	close(fd);
	*ret = hash;
	return e;
}

static struct err *find_dev(struct lines *l, uint64_t start, uint64_t *ret)
{
	const char *line;
	size_t len;

	for (;;) {
		struct cursor name;
		struct vma v;

		TRY(lines_next(l, &line, &len));
		if (!line)
			return err_new(ERR_CHECK, "own mapping %lx is not in /proc/self/maps",
				       start);
		if (!parse_header(line, len, &v, &name) || v.start != start)
			continue;
		*ret = v.dev;
		return NULL;
	}
}

struct err *proc_shmem_dev(uint64_t *ret)
{
	struct lines l;
	void *probe = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (probe == MAP_FAILED)
		return err_sys(errno, "mapping a page of shared memory");
	AUTO_CLOSE int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct err *e = fd < 0 ? err_sys(errno, "open /proc/self/maps") : NULL;

	if (!e) {
		lines_init_fd(&l, fd);
		e = find_dev(&l, (uintptr_t)probe, ret);
		lines_deinit(&l);
	}
	munmap(probe, PAGE_BYTES);
	return e;
}
