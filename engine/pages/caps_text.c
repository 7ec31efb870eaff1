/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `show caps`: what each capability means for a dump. */
#include <stdio.h>

#include "engine/pages/caps.h"

struct lines {
	struct cap_line *out;
	size_t nr, max;
};

/* `with` or `without` is the consequence.  The rest is the value; "" for none. */
static void __attribute__((format(printf, 6, 7)))
add(struct lines *l, const char *name, bool available, const char *with, const char *without,
    const char *fmt, ...)
{
	va_list ap;

	if (l->nr == l->max)
		return;

	struct cap_line *line = &l->out[l->nr++];

	line->name = name;
	line->available = available;
	line->consequence = available ? with : without;
	va_start(ap, fmt);
	vsnprintf(line->value, sizeof(line->value), fmt, ap);
	va_end(ap);
}

static void describe_pages(const struct caps *c, struct lines *l)
{
	char pfns[64] = "", uffd[64] = "", copy[64] = "";

	if (c->pfn_visible && c->huge_zero_pfn)
		snprintf(pfns, sizeof(pfns), "zero %lx, huge zero %lx", c->zero_pfn,
			 c->huge_zero_pfn);
	else if (c->pfn_visible)
		snprintf(pfns, sizeof(pfns), "zero %lx", c->zero_pfn);
	if (c->uffd_errno)
		snprintf(uffd, sizeof(uffd), "userfaultfd: %s", err_errno_name(c->uffd_errno));

	add(l, "pagemap-scan", c->pagemap_scan,
	    "pages are looked up by PAGEMAP_SCAN: empty ranges cost nothing",
	    "pages are looked up by reading pagemap, 8 bytes for each page of a VMA", "%s", "");
	add(l, "scan-guard", c->scan_guard,
	    "guard regions (MADV_GUARD_INSTALL) are recognised and left out",
	    "a guard region, if this kernel can make one, looks like a page and fails in drain",
	    "%s", "");
	add(l, "soft-dirty", c->soft_dirty, "incremental dumps can use soft-dirty, as CRIU does",
	    "no soft-dirty tracking, and no incremental dumps by CRIU", "%s", "");
	add(l, "uffd-wp-async", c->uffd_wp_async,
	    "dirty pages can be tracked by userfaultfd write-protection",
	    "dirty pages cannot be tracked by userfaultfd", "%s", uffd);
	if (c->uffd_copy_errno)
		snprintf(copy, sizeof(copy), "UFFDIO_COPY: %s", err_errno_name(c->uffd_copy_errno));
	else if (c->cpus < 2)
		snprintf(copy, sizeof(copy), "one CPU");
	add(l, "second-drain", !*copy, "to a tmpfs, a second thread moves every other pipe load",
	    "one thread moves all pages into the files", "%s", copy);
	add(l, "pfn", c->pfn_visible, "zero pages are recognised in pagemap entries and left out",
	    "a lookup that reads pagemap takes zero pages for data", "%s", pfns);
	add(l, "thp", c->thp[0], "huge pages are dumped as 512 small ones",
	    "no transparent huge pages", "%s", c->thp);
}

static void describe_pipes(const struct caps *c, struct lines *l)
{
	const char *with = "a page pipe grows as far as CRIU asks";
	const char *without =
		"page pipes stay small: more of them, each one a request to the parasite";

	if (c->pipe_errno)
		add(l, "pipe-size", false, with, without, "%u of %u pages (%s)", c->pipe_pages,
		    CAPS_PIPE_PAGES_WANTED, err_errno_name(c->pipe_errno));
	else
		add(l, "pipe-size", true, with, without, "%u pages", c->pipe_pages);
	add(l, "vmsplice", c->vmsplice, "pages of stepdump's own memory can be put into pipes",
	    "a filter on stepdump forbids vmsplice: shared memory cannot take the page pipe", "%s",
	    "");
}

static void describe_rights(const struct caps *c, struct lines *l)
{
	add(l, "map_files", c->map_files,
	    "the very file behind a mapping can be opened, deleted or not",
	    "mapped files are found by path: those already deleted are out of reach", "%s", "");
	add(l, "process_vm_readv", c->process_vm_readv, "memory can be read without the parasite",
	    "memory is read through /proc/PID/mem", "%s", "");
	add(l, "pidfd_getfd", c->pidfd_getfd,
	    "descriptors of the target, as a userfaultfd for tracking, can be taken over",
	    "no descriptor can be taken over from the target without the parasite", "%s", "");
	add(l, "CAP_SYS_PTRACE", c->cap_sys_ptrace, "processes of other users can be attached",
	    "only own, dumpable processes can be attached", "%s", "");
	add(l, "CAP_SYS_ADMIN", c->cap_sys_admin,
	    "page frame numbers are visible, the target's seccomp filter can be suspended",
	    "page frame numbers are hidden; a seccomp filter of the target may stop the parasite",
	    "%s", "");
	add(l, "CAP_SYS_RESOURCE", c->cap_sys_resource, "pipes may exceed fs.pipe-max-size",
	    "pipes stop at fs.pipe-max-size", "fs.pipe-max-size %lu", c->pipe_max_size);
	add(l, "CAP_CHECKPOINT_RESTORE", c->cap_checkpoint_restore,
	    "map_files can be followed without CAP_SYS_ADMIN",
	    "map_files can be followed only with CAP_SYS_ADMIN", "%s", "");
	if (c->seccomp)
		add(l, "unfiltered", false, NULL,
		    "a filter on stepdump itself: seccomp of a target cannot be suspended",
		    "seccomp mode %u", c->seccomp);
	else
		add(l, "unfiltered", true, "no seccomp filter on stepdump itself", NULL, "%s", "");
}

size_t caps_describe(const struct caps *c, struct cap_line *out, size_t max)
{
	struct lines l = { .out = out, .max = max };

	describe_pages(c, &l);
	describe_pipes(c, &l);
	describe_rights(c, &l);
	return l.nr;
}
