/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What kind of memory a mapping is, in CRIU's terms.  Mirrors handle_vma() of proc_parse.c. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "engine/proc/proc.h"
#include "engine/proc/proc_priv.h"

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* cause: its name in the catalogue of causes. */
static void refuse(struct vma *v, const char *cause, const char *reason)
{
	v->status |= VMA_UNSUPP;
	if (!v->unsupp) {
		v->unsupp = reason;
		v->cause = cause;
	}
}

static void classify_anon(struct vma *v, const char *name)
{
	v->flags |= MAP_ANONYMOUS;
	v->status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE;
	if (v->vmf & VMF_DROPPABLE)
		v->flags &= ~MAP_PRIVATE;
	if (!strcmp(name, "[vsyscall]")) {
		v->status = VMA_AREA_VSYSCALL | VMA_ANON_PRIVATE;
	} else if (!strcmp(name, "[vdso]")) {
		v->status |= VMA_AREA_VDSO;
	} else if (!strcmp(name, "[vvar]") || !strcmp(name, "[vvar_vclock]")) {
		v->status |= VMA_AREA_VVAR;
	} else if (!strcmp(name, "[heap]")) {
		v->status |= VMA_AREA_HEAP;
	} else if (has_prefix(name, "[uprobes")) {
		v->status = VMA_AREA_UPROBES;
		refuse(v, strcmp(name, "[uprobes]") ? "uprobes-trampoline" : "uprobes",
		       "a uprobe was hit here: restart the program without the probe");
	}
	if (v->vmf & VMF_SHADOWSTACK) {
		v->status |= VMA_AREA_SHSTK;
		refuse(v, "shadow-stack",
		       "shadow stack: code borrowed for the parasite could not return safely");
	}
}

static void classify_file_mapping(struct vma *v)
{
	v->status = VMA_AREA_REGULAR | (v->flags & MAP_SHARED ? VMA_FILE_SHARED : VMA_FILE_PRIVATE);
}

static void classify_shared_anon(struct vma *v)
{
	v->status = VMA_AREA_REGULAR | VMA_ANON_SHARED;
	v->flags |= MAP_ANONYMOUS;
	v->shmid = v->ino;
}

/* Objects of the kernel's own tmpfs and hugetlbfs; they have names, but no place in a tree. */
static void classify_shmem(struct vma *v, const char *name)
{
	bool shared = v->flags & MAP_SHARED;

	if (shared && has_prefix(name, "/SYSV")) {
		classify_shared_anon(v);
		v->status |= VMA_AREA_SYSVIPC;
	} else if (shared && (has_prefix(name, "/dev/zero") || has_prefix(name, "[anon_shmem:"))) {
		classify_shared_anon(v);
	} else {
		classify_file_mapping(v);
		v->status |= VMA_AREA_MEMFD;
	}
}

static bool classify_hugetlb(struct vma *v, const char *name)
{
	if (has_prefix(name, "/anon_hugepage")) {
		if (v->flags & MAP_SHARED)
			classify_shared_anon(v);
		else
			classify_anon(v, name);
		return true;
	}
	if (has_prefix(name, "/SYSV") || has_prefix(name, "/memfd:")) {
		classify_shmem(v, name);
		return true;
	}
	return false; /* a file on a mounted hugetlbfs */
}

/* Kernel objects that have no path: "anon_inode:[io_uring]", "socket:[7]". */
static void classify_pathless(struct vma *v, const char *name)
{
	static const struct {
		const char *prefix, *reason;
	} reasons[] = {
		{ "anon_inode:[io_uring]", "rings of io_uring: their other half is in the kernel" },
		{ "anon_inode:[perf_event]", "ring buffer of a perf event" },
		{ "anon_inode:kvm", "state of a virtual machine (KVM)" },
		{ "anon_inode:bpf", "memory of a BPF map" },
		{ "", "memory of a kernel object that is not a file" },
	};

	if (has_prefix(name, "socket:[")) {
		v->status = VMA_AREA_REGULAR | VMA_AREA_SOCKET;
		v->shmid = v->ino;
		return;
	}
	v->status = VMA_AREA_REGULAR;
	for (size_t i = 0; !v->unsupp; i++)
		if (has_prefix(name, reasons[i].prefix))
			refuse(v, "kernel-object-mapped", reasons[i].reason);
}

static void classify_path(struct vma *v, const char *name, const struct vma_file *f)
{
	if (has_prefix(name, "/[aio]") && (!f->known || !(f->mode & S_IFMT))) {
		v->status = VMA_AREA_AIORING;
		return;
	}
	/* The kernel locks these and keeps them out of core files; an ordinary file of that
	 * name would not have both. */
	if (has_prefix(name, "/secretmem") && (v->vmf & VMF_LOCKED) &&
	    (v->madv & (1ull << MADV_DONTDUMP))) {
		v->status = VMA_AREA_REGULAR;
		refuse(v, "secretmem",
		       "memfd_secret memory: nobody but the process itself can read it");
		return;
	}
	classify_file_mapping(v);
	if (!f->known || S_ISREG(f->mode) ||
	    (S_ISCHR(f->mode) && f->rdev == makedev(1, 5))) /* /dev/zero: as good as a file */
		return;
	v->status &= ~(VMA_FILE_PRIVATE | VMA_FILE_SHARED);
	refuse(v, "device-memory",
	       S_ISCHR(f->mode) || S_ISBLK(f->mode) ? "memory of a device" :
						      "mapping of something that is not a file");
}

void vma_classify(struct vma *v, const char *name, const struct smaps_env *env)
{
	struct vma_file f = { 0 };
	bool has_file = v->dev || v->ino;
	bool on_shmem = has_file && v->dev == env->shmem_dev;

	if (has_file && env->file)
		env->file(env->arg, v, &f);
	if (f.known) {
		v->dev = f.dev;
		v->ino = f.ino;
	}
	if ((v->vmf & VMF_HUGETLB) && v->hugepage_kb)
		v->flags |= (uint32_t)(__builtin_ctz(v->hugepage_kb) + 10) << 26;

	if (!has_file)
		classify_anon(v, name);
	else if (on_shmem)
		classify_shmem(v, name);
	else if ((v->vmf & VMF_HUGETLB) && classify_hugetlb(v, name))
		;
	else if (name[0] != '/')
		classify_pathless(v, name);
	else
		classify_path(v, name, &f);

	if (f.has_fdflags && (v->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED | VMA_AREA_AIORING |
					   VMA_AREA_SYSVIPC))) {
		v->has_fdflags = true;
		v->fdflags = f.fdflags;
	}
	/* These cannot be spliced.  A shared regular file (a PCI resource in sysfs) need not be
	 * read, and of vvar no page is taken. */
	if ((v->vmf & (VMF_IO | VMF_PFNMAP)) && !(v->status & VMA_AREA_VVAR) &&
	    !((v->status & VMA_FILE_SHARED) && f.known))
		refuse(v, "device-memory", "memory of a device (VM_IO or VM_PFNMAP)");
	if ((v->vmf & VMF_SEALED) && !(v->prot & PROT_READ) && vma_is_private(v) &&
	    !vma_never_dumped(v))
		refuse(v, "sealed",
		       "sealed by mseal() without PROT_READ: it cannot be made readable");
}
