/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_read, verify, diff and flatten on random chains that a Python program makes from a model
 * (chain_maker.py): every page, every encoding, entries cut anywhere.
 */
#include "engine/chain/chain_diff.h"
#include "engine/chain/chain_flatten.h"
#include "engine/chain/chain_verify.h"
#include "engine/image/page_read.h"

#include "tests/lib/images.h"

#define CHAINS 24
#define MAX_PAGES 4096
#define NAME "pagemap-4242.img"

struct page {
	unsigned gen, found;
	uint64_t addr, off, id;
};

struct row {
	unsigned a, b;
	uint64_t start, end, added, gone, changed, same;
	char mapped[16];
};

static struct page page[MAX_PAGES];
static struct row row[MAX_PAGES];
static size_t nr_pages, nr_rows;
static unsigned nr_gens;
static char chain[128];

static int python(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int python(const char *fmt, ...)
{
	char args[512], command[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "/usr/bin/python3 tests/unit/chain_maker.py %s", args);
	fflush(stdout);
	return system(command);
}

static void use_chain(unsigned number)
{
	char path[256], line[256];

	snprintf(chain, sizeof(chain), "%s/chain%u", scratch, number);
	print_message("chain %u\n", number);
	snprintf(path, sizeof(path), "%s/expect", chain);
	FILE *f = fopen(path, "re");
	MUST(f);
	nr_pages = nr_rows = 0;
	while (fgets(line, sizeof(line), f)) {
		struct page *p = &page[nr_pages];
		struct row *r = &row[nr_rows];

		MUST(nr_pages < MAX_PAGES - 1 && nr_rows < MAX_PAGES - 1);
		if (sscanf(line, "page %u %" SCNu64 " %u %" SCNu64 " %" SCNu64, &p->gen, &p->addr,
			   &p->found, &p->off, &p->id) == 5)
			nr_pages++;
		else if (sscanf(line,
				"diff %u %u %" SCNu64 " %" SCNu64 " %15s %" SCNu64 " %" SCNu64
				" %" SCNu64 " %" SCNu64,
				&r->a, &r->b, &r->start, &r->end, r->mapped, &r->added, &r->gone,
				&r->changed, &r->same) == 9)
			nr_rows++;
		else
			fail_msg("bad line: %s", line);
	}
	fclose(f);
	for (nr_gens = 0;; nr_gens++) {
		snprintf(path, sizeof(path), "%s/g%u", chain, nr_gens);
		if (access(path, F_OK))
			break;
	}
	assert_true(nr_gens > 0);
}

static const char *gen_dir(unsigned g)
{
	static char path[4][160];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/g%u", chain, g);
	return path[turn];
}

/* ---- page_read ----------------------------------------------------------------------------- */

static bool in_model(unsigned g, uint64_t addr)
{
	for (size_t i = 0; i < nr_pages; i++)
		if (page[i].gen == g && page[i].addr == addr)
			return true;
	return false;
}

static void read_generation(unsigned g)
{
	uint64_t lo = UINT64_MAX, hi = 0, buf[512];
	struct page_read *pr;
	int fd = open(gen_dir(g), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(fd >= 0);
	ok(page_read_open(fd, NAME, &pr));
	close(fd);
	assert_non_null(pr);
	assert_int_equal(page_read_generations(pr), g + 1);
	for (size_t i = 0; i < nr_pages; i++) {
		struct page_place place;

		if (page[i].gen != g)
			continue;
		lo = page[i].addr < lo ? page[i].addr : lo;
		hi = page[i].addr > hi ? page[i].addr : hi;
		ok(page_read_locate(pr, page[i].addr, &place));
		assert_int_equal(place.generation, page[i].found);
		assert_int_equal(place.off, page[i].off);
		assert_int_equal(place.pages_id, 7 + g - page[i].found);
		ok(page_read_page(pr, page[i].addr, buf));
		for (int k = 0; k < 512; k++)
			assert_int_equal(buf[k], page[i].id);
	}
	/* An object that is not in the newest generation is not found, wherever else it is. */
	for (uint64_t at = lo; lo <= hi && at <= hi + PAGE; at += PAGE) {
		uint64_t missing = 0, first = at, nr = 1 + rnd(8);
		struct page_place place;

		if (!in_model(g, at))
			fails(page_read_locate(pr, at, &place), ERR_CHECK, "in no entry");
		while (first < at + nr * PAGE && in_model(g, first))
			first += PAGE;
		bool covered = page_read_covers(pr, at, nr, &missing);

		assert_int_equal(covered, first == at + nr * PAGE);
		if (!covered)
			assert_int_equal(missing, first);

		const struct pagemap_entry *before, *after;

		page_read_neighbours(pr, at, &before, &after);
		assert_true(!before || pagemap_entry_end(before) <= at);
		assert_true(!after || after->vaddr > at);
	}
	page_read_close(pr);
}

/* ---- the tools ----------------------------------------------------------------------------- */

static void verify_generation(unsigned g)
{
	Stepdump__VerifyReport *r = NULL;

	ok(chain_verify(gen_dir(g), NULL, &r));
	assert_int_equal(r->nr_fatal, 0);
	assert_int_equal(r->n_generations, g + 1);
	for (unsigned i = 0; i <= g; i++) {
		uint64_t stored = 0, holes = 0;

		for (size_t k = 0; k < nr_pages; k++)
			if (page[k].gen == g - i) {
				stored += page[k].found == 0;
				holes += page[k].found != 0;
			}
		assert_int_equal(r->generations[i]->pages_stored, stored);
		assert_int_equal(r->generations[i]->pages_in_parent, holes);
		assert_int_equal(r->generations[i]->dump_uptime_us, 1000000 + g - i);
	}
	stepdump__verify_report__free_unpacked(r, NULL);
}

static void flatten_generation(unsigned g)
{
	Stepdump__FlattenReport *r = NULL;
	char flat[160];

	snprintf(flat, sizeof(flat), "%s/flat%u", chain, g);
	ok(chain_flatten(gen_dir(g), flat, NULL, NULL, &r));
	assert_true(r->pre_dump);
	assert_int_equal(r->n_objects, 1);
	uint64_t nr = 0, from_parents = 0;

	for (size_t i = 0; i < nr_pages; i++)
		if (page[i].gen == g) {
			nr++;
			from_parents += page[i].found != 0;
		}
	assert_int_equal(r->pages, nr);
	assert_int_equal(r->pages_from_parents, from_parents);
	stepdump__flatten_report__free_unpacked(r, NULL);
}

static void diff_generations(unsigned a, unsigned b)
{
	Stepdump__DiffReport *r = NULL;
	uint64_t sum[4] = { 0 };
	size_t k = 0;

	ok(chain_diff(gen_dir(a), gen_dir(b), 0, NULL, &r));
	assert_int_equal(r->n_objects, 1);
	const Stepdump__DiffObject *o = r->objects[0];

	assert_int_equal(o->pid, 4242);
	for (size_t i = 0; i < nr_rows; i++) {
		const struct row *w = &row[i];

		if (w->a != a || w->b != b)
			continue;
		assert_true(k < o->n_vmas);
		const Stepdump__DiffVma *v = o->vmas[k++];

		assert_int_equal(v->start, w->start);
		assert_int_equal(v->end, w->end);
		assert_string_equal(v->mapped, w->mapped);
		assert_int_equal(v->added, w->added);
		assert_int_equal(v->gone, w->gone);
		assert_int_equal(v->changed, w->changed);
		assert_int_equal(v->same, w->same);
		sum[0] += w->added;
		sum[1] += w->gone;
		sum[2] += w->changed;
		sum[3] += w->same;
	}
	assert_int_equal(k, o->n_vmas);
	assert_int_equal(r->added, sum[0]);
	assert_int_equal(r->gone, sum[1]);
	assert_int_equal(r->changed, sum[2]);
	assert_int_equal(r->same, sum[3]);
	if (a == b)
		assert_int_equal(o->compared, 0);
	stepdump__diff_report__free_unpacked(r, NULL);
}

TEST(random_chains, scratch_make, scratch_drop)
{
	uint64_t holes = 0;

	assert_int_equal(python("make %s %lu %u", scratch, rnd(1u << 30), rounds(CHAINS)), 0);
	for (unsigned i = 0; i < rounds(CHAINS); i++) {
		bool mm = i % 2; /* every second one has VMAs */

		use_chain(i);
		for (unsigned g = 0; g < nr_gens; g++) {
			read_generation(g);
			if (!mm) {
				verify_generation(g);
				flatten_generation(g);
			}
		}
		for (unsigned a = 0; a < nr_gens; a++)
			for (unsigned b = 0; b < nr_gens; b++)
				diff_generations(a, b);
		for (size_t k = 0; k < nr_pages; k++)
			holes += page[k].found > 1;
	}
	assert_int_equal(python("flat %s", scratch), 0);
	assert_true(holes > 20); /* or it was not about chains */
}
