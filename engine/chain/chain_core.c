/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/chain/chain_core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/image_dir.h"
#include "engine/image/image_set.h"
#include "engine/image/pbwire.h"
#include "proto/message.h"

/* Layouts of the kernel's elf_prstatus and elf_prpsinfo, the same on x86-64 and arm64 up to the registers. */
enum { PRSTATUS_PID = 32, PRSTATUS_REGS = 112 };
enum { PSINFO_SNAME = 1, PSINFO_PID = 24, PSINFO_NAME = 40, PSINFO_ARGS = 56, PSINFO_SIZE = 136 };
enum { X86_REGS = 27, ARM_REGS = 34, REGS_MAX = 34 };
enum { X86_FP_SIZE = 512, X86_ST = 32, X86_XMM = 160 };
/* Fields of core-PID.img. */
enum { CORE_X86 = 2, CORE_ARM = 8, X86_GP = 2, X86_FP = 3, ARM_GP = 3 };
enum { FP_ST = 9, FP_XMM = 10 };

struct core_out {
	struct set_memory *m;
	const struct set_task *task;
	chain_stop_t stop;
	Stepdump__CoreReport *r;
	int fd;
	uint16_t machine;
	uint8_t *note;
	size_t note_len, note_room;
	Elf64_Phdr *ph;
	size_t nr_ph;
};

/* ---- notes ---------------------------------------------------------------------------------- */

static void core_put(struct core_out *c, const void *data, size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;

	if (c->note_len + padded > c->note_room) {
		c->note_room = 2 * (c->note_len + padded);
		c->note = xreallocarray(c->note, c->note_room, 1);
	}
	memset(c->note + c->note_len, 0, padded);
	memcpy(c->note + c->note_len, data, len);
	c->note_len += padded;
}

static void core_note(struct core_out *c, uint32_t type, const void *data, size_t len)
{
	Elf64_Nhdr h = { .n_namesz = 5, .n_descsz = (uint32_t)len, .n_type = type };

	core_put(c, &h, sizeof(h));
	core_put(c, "CORE", 5);
	core_put(c, data, len);
}

static bool core_sub(const uint8_t *data, size_t len, uint32_t number, struct pb_field *ret)
{
	struct pb_cursor c = { data, data + len };
	struct pb_field f;
	bool found = false;

	while (pb_next(&c, &f))
		if (f.number == number && f.type == PB_BYTES) {
			*ret = f;
			found = true;
		}
	return found;
}

static bool core_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	unsigned shift = 0;

	*ret = 0;
	while (*at < end && shift < 64) {
		uint8_t b = *(*at)++;

		*ret |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
		shift += 7;
	}
	return false;
}

/* Up to `max` values of a repeated number, packed or not. */
static size_t core_list(const uint8_t *data, size_t len, uint32_t number, uint64_t *out, size_t max)
{
	struct pb_cursor c = { data, data + len };
	struct pb_field f;
	size_t nr = 0;

	while (pb_next(&c, &f)) {
		if (f.number != number)
			continue;
		if (f.type != PB_BYTES && nr < max)
			out[nr++] = f.value;
		for (const uint8_t *p = f.data; f.type == PB_BYTES && nr < max;)
			if (!core_varint(&p, f.data + f.len, &out[nr++])) {
				nr--;
				break;
			}
	}
	return nr;
}

/* The x87 and SSE registers as FXSAVE lays them out. */
static void core_fp_note(struct core_out *c, const struct pb_field *f)
{
	static const struct {
		uint8_t number, at, size;
	} words[] = { { 1, 0, 2 }, { 2, 2, 2 },  { 3, 4, 2 },  { 4, 6, 2 },
		      { 5, 8, 8 }, { 6, 16, 8 }, { 7, 24, 4 }, { 8, 28, 4 } };
	uint8_t fp[X86_FP_SIZE] = { 0 };
	uint64_t v, list[64];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (pb_uint(f->data, f->len, words[i].number, &v))
			memcpy(fp + words[i].at, &v, words[i].size);
	for (size_t i = 0, nr = core_list(f->data, f->len, FP_ST, list, 32); i < nr; i++)
		memcpy(fp + X86_ST + 4 * i, &list[i], 4);
	for (size_t i = 0, nr = core_list(f->data, f->len, FP_XMM, list, 64); i < nr; i++)
		memcpy(fp + X86_XMM + 4 * i, &list[i], 4);
	core_note(c, NT_PRFPREG, fp, sizeof(fp));
}

/* The fields of CRIU's x86 registers are numbered in the order of the kernel's struct. */
static size_t core_registers(struct core_out *c, const uint8_t *data, size_t len,
			     uint64_t reg[REGS_MAX], struct pb_field *fp)
{
	struct pb_field info, gp;

	if (core_sub(data, len, CORE_X86, &info) && core_sub(info.data, info.len, X86_GP, &gp)) {
		c->machine = EM_X86_64;
		for (uint32_t i = 0; i < X86_REGS; i++)
			pb_uint(gp.data, gp.len, i + 1, &reg[i]);
		core_sub(info.data, info.len, X86_FP, fp);
		return X86_REGS;
	}
	if (core_sub(data, len, CORE_ARM, &info) && core_sub(info.data, info.len, ARM_GP, &gp)) {
		c->machine = EM_AARCH64;
		core_list(gp.data, gp.len, 1, reg, 31);
		for (uint32_t i = 0; i < 3; i++)
			pb_uint(gp.data, gp.len, i + 2, &reg[31 + i]);
		return ARM_REGS;
	}
	return 0;
}

static void core_thread(struct core_out *c, uint32_t tid)
{
	uint8_t status[PRSTATUS_REGS + 8 * REGS_MAX + 8] = { 0 };
	uint64_t reg[REGS_MAX] = { 0 };
	struct pb_field fp = { 0 };
	char name[IMAGE_NAME_MAX];
	struct image_reader *r;
	const uint8_t *data;
	size_t len, nr = 0;
	AUTO_ERR struct err *e =
		image_open(c->m->set->dirfd, image_name(IMG_CORE, tid, name), IMG_CORE, &r);

	if (e)
		return;
	e = image_next_raw(r, &data, &len);
	if (!e && data)
		nr = core_registers(c, data, len, reg, &fp);
	if (nr) {
		uint32_t valid = fp.len != 0;

		memcpy(status + PRSTATUS_PID, &tid, 4);
		memcpy(status + PRSTATUS_REGS, reg, 8 * nr);
		memcpy(status + PRSTATUS_REGS + 8 * nr, &valid, 4);
		core_note(c, NT_PRSTATUS, status, PRSTATUS_REGS + 8 * nr + 8);
		if (fp.len)
			core_fp_note(c, &fp);
		c->r->threads++;
	}
	image_close(r);
}

static void core_psinfo(struct core_out *c)
{
	uint8_t info[PSINFO_SIZE] = { 0 };
	uint32_t ids[4] = { c->m->pid };
	const char *exe = c->m->mm ? image_set_file_name(c->m->set, c->m->mm->exe_file_id) : NULL;

	if (c->task) {
		ids[1] = c->task->ppid;
		ids[2] = c->task->pgid;
		ids[3] = c->task->sid;
		memcpy(info + PSINFO_NAME, c->task->comm, strnlen(c->task->comm, 15));
	}
	info[PSINFO_SNAME] = 'S';
	memcpy(info + PSINFO_PID, ids, sizeof(ids));
	if (exe)
		memcpy(info + PSINFO_ARGS, exe, strnlen(exe, 79));
	core_note(c, NT_PRPSINFO, info, sizeof(info));
}

static bool core_is_file(const struct vma *v)
{
	return v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED) && *v->name == '/';
}

/* Count, page size, { start, end, offset in pages } of each, and the names. */
static void core_files(struct core_out *c)
{
	const struct vma_list *l = &c->m->vmas;
	uint64_t *head = xcalloc(2 + 3 * l->nr, sizeof(*head));
	size_t nr = 0, names = 0;

	for (size_t i = 0; i < l->nr; i++)
		names += core_is_file(&l->v[i]) ? strlen(l->v[i].name) + 1 : 0;

	AUTO_FREE uint8_t *note = xzalloc((2 + 3 * l->nr) * 8 + names);

	for (size_t i = 0; i < l->nr; i++) {
		const struct vma *v = &l->v[i];

		if (!core_is_file(v))
			continue;
		head[2 + 3 * nr] = v->start;
		head[3 + 3 * nr] = v->end;
		head[4 + 3 * nr] = v->pgoff / PAGE_BYTES;
		nr++;
	}
	head[0] = nr;
	head[1] = PAGE_BYTES;

	size_t at = (2 + 3 * nr) * 8;

	memcpy(note, head, at);
	free(head);
	for (size_t i = 0; i < l->nr; i++)
		if (core_is_file(&l->v[i])) {
			size_t len = strlen(l->v[i].name) + 1;

			memcpy(note + at, l->v[i].name, len);
			at += len;
		}
	core_note(c, NT_FILE, note, at);
}

static void core_notes(struct core_out *c)
{
	uint32_t leader = c->m->pid;

	core_thread(c, leader); /* first: the one that a debugger shows */
	core_psinfo(c);
	for (size_t i = 0; c->task && i < c->task->nr_threads; i++)
		if (c->task->threads[i] != leader)
			core_thread(c, c->task->threads[i]);
	if (c->m->mm && c->m->mm->n_mm_saved_auxv)
		core_note(c, NT_AUXV, c->m->mm->mm_saved_auxv,
			  c->m->mm->n_mm_saved_auxv * sizeof(uint64_t));
	if (c->m->mm)
		core_files(c);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The next page at or behind `at` that may have contents; `end`: none. */
static uint64_t core_next(const struct core_out *c, const struct vma *v, uint64_t at, uint64_t end)
{
	const struct pagemap_image *pi = c->m->pr ? page_read_image(c->m->pr, 0) : NULL;
	uint64_t shmid;

	if (v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED) || set_memory_shmid(c->m, v, &shmid))
		return at;

	size_t i = pi ? vec_first(pi->nr, k, pagemap_entry_end(&pi->e[k]) > at) : 0;

	if (!pi || i == pi->nr || pi->e[i].vaddr >= end)
		return end;
	return pi->e[i].vaddr > at ? pi->e[i].vaddr : at;
}

/* Zeroes stay holes of the file.  *last: end of the last page that was written, from the VMA's start. */
static struct err *core_vma(struct core_out *c, const struct vma *v, uint64_t off, uint64_t *last)
{
	static const uint8_t zero[PAGE_BYTES_MAX];
	uint8_t page[PAGE_BYTES_MAX];

	*last = 0;
	for (uint64_t at = core_next(c, v, v->start, v->end); at < v->end;
	     at = core_next(c, v, at + PAGE_BYTES, v->end)) {
		struct set_page where;
		size_t got;

		TRY(chain_check_stop(c->stop));
		TRY(set_memory_locate(c->m, at, &where));

		struct err *e = set_memory_read(c->m, at, page, PAGE_BYTES, &got);

		if (e && where.source == SET_PAGES)
			return e; /* a page that there should be */
		if (e) {
			err_free(e);
			/* A file that is not here: the debugger looks for it by its name. */
			if (at == v->start && where.source == SET_FILE && !(v->prot & 2))
				return NULL;
			continue;
		}
		*last = at + PAGE_BYTES - v->start;
		if (!memcmp(page, zero, PAGE_BYTES))
			continue;
		if (pwrite_full(c->fd, page, PAGE_BYTES, (off_t)(off + (at - v->start))) < 0)
			return err_sys(errno, "write %s", c->r->file);
		c->r->pages++;
	}
	return NULL;
}

static struct err *core_memory(struct core_out *c, uint64_t *end)
{
	for (size_t i = 0; i < c->m->vmas.nr; i++) {
		const struct vma *v = &c->m->vmas.v[i];
		uint64_t last = 0;

		if (v->status & VMA_AREA_VSYSCALL)
			continue;
		TRY(core_vma(c, v, *end, &last));
		*vec_push(c->ph, c->nr_ph) = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = (v->prot & 1 ? PF_R : 0) | (v->prot & 2 ? PF_W : 0) |
				   (v->prot & 4 ? PF_X : 0),
			.p_offset = *end,
			.p_vaddr = v->start,
			.p_filesz = last,
			.p_memsz = v->end - v->start,
			.p_align = PAGE_BYTES,
		};
		*end += last;
	}
	return NULL;
}

/* ---- the file ------------------------------------------------------------------------------- */

static struct err *core_headers(struct core_out *c, uint64_t notes_at)
{
	size_t nr = c->nr_ph + 1;
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = c->machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = nr < PN_XNUM ? (uint16_t)nr : PN_XNUM,
	};
	/* More headers than the count can say: the first section has it. */
	Elf64_Shdr sh = { .sh_info = (uint32_t)nr };
	Elf64_Phdr note = {
		.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = c->note_len, .p_align = 4
	};

	if (nr >= PN_XNUM) {
		eh.e_shoff = sizeof(eh) + nr * sizeof(note);
		eh.e_shentsize = sizeof(sh);
		eh.e_shnum = 1;
	}
	if (pwrite_full(c->fd, &eh, sizeof(eh), 0) < 0 ||
	    pwrite_full(c->fd, &note, sizeof(note), sizeof(eh)) < 0 ||
	    pwrite_full(c->fd, c->ph, c->nr_ph * sizeof(*c->ph), sizeof(eh) + sizeof(note)) < 0 ||
	    (eh.e_shnum && pwrite_full(c->fd, &sh, sizeof(sh), (off_t)eh.e_shoff) < 0) ||
	    pwrite_full(c->fd, c->note, c->note_len, (off_t)notes_at) < 0)
		return err_sys(errno, "write %s", c->r->file);
	return NULL;
}

static struct err *core_write(struct core_out *c)
{
	uint64_t notes_at =
		sizeof(Elf64_Ehdr) + (c->m->vmas.nr + 1) * sizeof(Elf64_Phdr) + sizeof(Elf64_Shdr);

	core_notes(c);

	uint64_t end = (notes_at + c->note_len + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);

	TRY(core_memory(c, &end));
	if (ftruncate(c->fd, (off_t)end))
		return err_sys(errno, "write %s", c->r->file);
	c->r->bytes = end;
	c->r->vmas = c->nr_ph;
	return core_headers(c, notes_at);
}

static struct err *core_of_set(const char *dir, uint32_t pid, struct core_out *c)
{
	AUTO_IMAGE_DIR struct image_dir d = IMAGE_DIR_INIT;
	struct image_set *set = NULL;
	struct err *e = image_dir_open(dir, PAGES_OF_TASK, pid, c->stop, &d);

	if (!e)
		e = image_set_open(d.dirfd, d.path, &set);
	for (size_t i = 0; !e && i < set->nr_tasks; i++)
		if (pid ? set->task[i].pid == pid : set->task[i].has_memory) {
			c->task = &set->task[i];
			pid = c->task->pid;
			break;
		}
	if (!e && !pid)
		e = err_new(ERR_USAGE, "%s has the memory of no task", dir);
	if (!e)
		e = set_memory_open(set, pid, &c->m);
	if (!e) {
		c->r->pid = pid;
		e = core_write(c);
	}
	set_memory_close(c->m);
	image_set_close(set);
	return e;
}

struct err *chain_core(const char *dir, uint32_t pid, const char *file, chain_stop_t stop,
		       Stepdump__CoreReport **ret)
{
	struct core_out c = { .stop = stop, .machine = EM_X86_64 };

	c.fd = create_private(AT_FDCWD, file, O_WRONLY | O_EXCL);
	if (c.fd < 0)
		return err_hint(err_sys(errno, "create %s", file),
				errno == EEXIST ?
					"no file is overwritten: choose another name" :
					"choose a file in a directory where you may write");
	c.r = xzalloc(sizeof(*c.r));
	stepdump__core_report__init(c.r);
	c.r->file = xstrdup(file);

	struct err *e = core_of_set(dir, pid, &c);

	if (close(c.fd) && !e)
		e = err_sys(errno, "write %s", file);
	free(c.note);
	free(c.ph);
	if (e) {
		unlink(file);
		stepdump__core_report__free_unpacked(c.r, NULL);
		return err_wrap(e, "core");
	}
	*ret = c.r;
	return NULL;
}
