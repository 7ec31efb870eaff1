/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mirrors criu/mem.c get_filemap_fd path of dump_task_mm(), criu/files-reg.c dump_one_reg_file(),
 * criu/memfd.c dump_memfd_inode(). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "engine/dump/img_task.h"
#include "engine/dump/shmem.h"
#include "engine/image/image.h"
#include "engine/proc/proc.h"
#include "proto/files.pb-c.h"

/* A mapped file as it was opened; each has one entry in files.img. */
struct file {
	uint64_t dev, ino;
	uint32_t flags; /* O_RDONLY, O_WRONLY, O_RDWR */
	bool is_memfd;
	uint32_t id;       /* in files.img */
	uint32_t inode_id; /* memfd: in memfd.img */
	char *name;
	bool has_size;
	uint64_t size;
	uint32_t mode; /* valid with has_size */
};

struct memfd {
	uint64_t dev, ino;
	char *name;
	uint64_t size;
	uint32_t uid, gid, seals, hugetlb_flag;
	bool is_hugetlb;
};

struct file_table {
	void *by_key;        /* tsearch() tree of struct file, owned by `files` */
	struct file **files; /* [i] has id i + 1 */
	size_t nr;
	struct memfd *memfds; /* [i] has inode_id i + 1 */
	size_t nr_memfds;
};

static int file_compare(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->flags < y->flags ? -1 : x->flags > y->flags;
}

struct file_table *file_table_create(void)
{
	return xzalloc(sizeof(struct file_table));
}

static void file_keep_node(void *node)
{
}

void file_table_destroy(struct file_table *ft)
{
	if (!ft)
		return;
	tdestroy(ft->by_key, file_keep_node);
	for (size_t i = 0; i < ft->nr; i++) {
		free(ft->files[i]->name);
		free(ft->files[i]);
	}
	for (size_t i = 0; i < ft->nr_memfds; i++)
		free(ft->memfds[i].name);
	free(ft->files);
	free(ft->memfds);
	free(ft);
}

/* The file for this key; added if it is new (*made_ret: the caller has to fill in the rest). */
static struct file *file_look_up(struct file_table *ft, uint64_t dev, uint64_t ino, uint32_t flags,
				 bool *made_ret)
{
	struct file key = { .dev = dev, .ino = ino, .flags = flags };
	struct file **found = tfind(&key, &ft->by_key, file_compare);

	*made_ret = !found;
	if (found)
		return *found;

	struct file *f = xmemdup(&key, sizeof(key));

	if (!tsearch(f, &ft->by_key, file_compare))
		abort(); /* out of memory, as in base/mem.h */
	*vec_push(ft->files, ft->nr) = f;
	f->id = (uint32_t)ft->nr;
	return f;
}

/* ---- regular files --------------------------------------------------------- */

static void file_take_size(struct file *f, const struct stat *st)
{
	if (st->st_ino != f->ino || !S_ISREG(st->st_mode))
		return;
	f->has_size = true;
	f->size = (uint64_t)st->st_size;
	f->mode = st->st_mode;
}

/* `link` is the magic link in /proc to the open file: following it takes a capability, and it works
 * for deleted files too.  The path may lead to another file by now. */
static void file_find_size(struct file *f, pid_t pid, const char *link)
{
	char path[PATH_MAX + 32];
	struct stat st;

	if (!stat(link, &st))
		file_take_size(f, &st);
	snprintf(path, sizeof(path), "/proc/%d/root/%s", pid, f->name);
	if (!f->has_size && f->name[0] == '/' && !stat(path, &st))
		file_take_size(f, &st);
}

static void file_fill_regular(struct file *f, pid_t pid, const struct vma *v)
{
	char link[96];

	/* The text of smaps has some characters escaped; the link is the true name. */
	struct err *e = proc_read_map_link(pid, v, &f->name);
	if (e) {
		err_free(e);
		f->name = xstrdup(v->name);
	}
	snprintf(link, sizeof(link), "/proc/%d/map_files/%lx-%lx", pid, v->start, v->end);
	file_find_size(f, pid, link);
}

/* ---- memfds ------------------------------------------------------------------- */

/* "/memfd:NAME (deleted)" -> "NAME"; "/dev/zero (deleted)" -> "/dev/zero". */
static char *memfd_name(const char *link)
{
	static const char prefix[] = "/memfd:", suffix[] = " (deleted)";
	size_t len;

	if (!strncmp(link, prefix, sizeof(prefix) - 1))
		link += sizeof(prefix) - 1;
	len = strlen(link);
	if (len >= sizeof(suffix) - 1 && !strcmp(link + len - (sizeof(suffix) - 1), suffix))
		len -= sizeof(suffix) - 1;
	return xstrndup(link, len);
}

static struct err *memfd_read(struct memfd *m, const struct file *f, const struct vma *v, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(errno, "stat shared memory %s", v->name);
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return err_sys(errno, "read the seals of %s", v->name);
	*m = (struct memfd){
		.dev = f->dev,
		.ino = f->ino,
		.size = (uint64_t)st.st_size,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.seals = (uint32_t)seals,
		.is_hugetlb = v->flags & MAP_HUGETLB,
		.hugetlb_flag =
			MFD_HUGETLB | (v->flags & ((uint32_t)MAP_HUGE_MASK << MAP_HUGE_SHIFT)),
		.name = memfd_name(v->name),
	};
	return NULL;
}

static struct err *file_table_add_memfd(struct file_table *ft, const struct file *f, pid_t pid,
					const struct vma *v)
{
	struct shmem_map map = { .pid = pid, .start = v->start, .end = v->end };
	struct shmem_info o = { .shmid = f->ino,
				.dev = f->dev,
				.kind = "memfd",
				.name = v->name,
				.fd = -1,
				.map = &map,
				.nr_maps = 1 };

	if (f->ino > UINT32_MAX)
		return err_vaddr(
			err_new(ERR_UNSUPPORTED,
				"shared memory %s has inode %lu, and images hold 32 bits of it",
				v->name, f->ino),
			v->start);
	TRY(shmem_open(&o));

	AUTO_CLOSE int fd = o.fd;
	struct memfd m;

	TRY(memfd_read(&m, f, v, fd));
	*vec_push(ft->memfds, ft->nr_memfds) = m;
	return NULL;
}

/* The same object may have been opened with other fdflags before. */
static struct err *file_fill_memfd(struct file_table *ft, struct file *f, pid_t pid,
				   const struct vma *v)
{
	size_t i = 0;

	while (i < ft->nr_memfds && (ft->memfds[i].ino != f->ino || ft->memfds[i].dev != f->dev))
		i++;
	if (i == ft->nr_memfds)
		TRY(file_table_add_memfd(ft, f, pid, v));
	f->is_memfd = true;
	f->inode_id = (uint32_t)i + 1;
	return NULL;
}

/* ---- one task ------------------------------------------------------------------ */

static struct err *file_table_add_exe(struct file_table *ft, const struct task_info *ti,
				      uint32_t *ret)
{
	char link[64];
	struct stat st;
	struct file *f;
	bool made;

	snprintf(link, sizeof(link), "/proc/%d/exe", ti->pid);
	if (stat(link, &st) < 0)
		return err_pid(err_sys(errno, "stat %s", link), ti->pid);
	f = file_look_up(ft, st.st_dev, st.st_ino, O_RDONLY, &made);
	if (made) {
		f->name = xstrdup(ti->exe);
		file_take_size(f, &st);
	}
	*ret = f->id;
	return NULL;
}

static struct err *file_table_add_vma(struct file_table *ft, pid_t pid, struct vma *v)
{
	bool made;
	struct file *f =
		file_look_up(ft, v->dev, v->ino, v->has_fdflags ? v->fdflags : O_RDONLY, &made);

	if (made && (v->status & VMA_AREA_MEMFD))
		TRY(file_fill_memfd(ft, f, pid, v));
	else if (made)
		file_fill_regular(f, pid, v);
	v->shmid = f->id;
	return NULL;
}

static struct err *file_table_add_task(struct file_table *ft, const struct task_info *ti,
				       struct vma_list *vmas, uint32_t *exe_id_ret)
{
	TRY(file_table_add_exe(ft, ti, exe_id_ret));
	for (size_t i = 0; i < vmas->nr; i++)
		if (vmas->v[i].status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED))
			TRY(file_table_add_vma(ft, ti->pid, &vmas->v[i]));
	return NULL;
}

struct err *file_table_add(struct file_table *ft, const struct task_info *ti, struct vma_list *vmas,
			   uint32_t *exe_id_ret)
{
	return err_pid(file_table_add_task(ft, ti, vmas, exe_id_ret), ti->pid);
}

/* ---- writing ---------------------------------------------------------------------- */

static struct err *file_write(struct image_writer *w, const struct file *f)
{
	Criu__FileEntry m = CRIU__FILE_ENTRY__INIT;
	Criu__FownEntry fown = CRIU__FOWN_ENTRY__INIT;
	Criu__RegFileEntry reg = CRIU__REG_FILE_ENTRY__INIT;
	Criu__MemfdFileEntry memfd = CRIU__MEMFD_FILE_ENTRY__INIT;

	m.id = f->id;
	if (f->is_memfd) {
		m.type = CRIU__FD_TYPES__MEMFD;
		m.memfd = &memfd;
		memfd.id = f->id;
		memfd.flags = f->flags;
		memfd.fown = &fown;
		memfd.inode_id = f->inode_id;
	} else {
		m.type = CRIU__FD_TYPES__REG;
		m.reg = &reg;
		reg.id = f->id;
		reg.flags = f->flags;
		reg.fown = &fown;
		reg.name = f->name;
		reg.has_size = reg.has_mode = f->has_size;
		reg.size = f->size;
		reg.mode = f->mode;
	}
	return image_write(w, &m.base);
}

static struct err *memfd_write(struct image_writer *w, const struct memfd *f, uint64_t inode_id)
{
	Criu__MemfdInodeEntry m = CRIU__MEMFD_INODE_ENTRY__INIT;

	m.name = f->name;
	m.uid = f->uid;
	m.gid = f->gid;
	m.size = f->size;
	m.shmid = (uint32_t)f->ino;
	m.seals = f->seals;
	m.inode_id = inode_id;
	m.has_hugetlb_flag = f->is_hugetlb;
	m.hugetlb_flag = f->hugetlb_flag;
	return image_write(w, &m.base);
}

struct err *img_files_write(const struct file_table *ft, int dirfd)
{
	struct image_writer *w;
	struct err *e = NULL;

	TRY(image_create(dirfd, "files.img", IMG_FILES, &w));
	for (size_t i = 0; i < ft->nr && !e; i++)
		e = file_write(w, ft->files[i]);
	TRY(err_first(e, image_finish(w)));
	if (!ft->nr_memfds)
		return NULL;
	TRY(image_create(dirfd, "memfd.img", IMG_MEMFD, &w));
	for (size_t i = 0; i < ft->nr_memfds && !e; i++)
		e = memfd_write(w, &ft->memfds[i], i + 1);
	return err_first(e, image_finish(w));
}
