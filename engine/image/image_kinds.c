/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All kinds of image that CRIU has, from 1.0 to 4.2.  Mirrors criu/image-desc.c and what
 * criu/cr-restore.c and its helpers do with each file; sets before 2.0 had some in files of their own.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/image/image.h"
#include "proto/files.pb-c.h"
#include "proto/inventory.pb-c.h"
#include "proto/mm.pb-c.h"
#include "proto/pagemap.pb-c.h"
#include "proto/pstree.pb-c.h"
#include "proto/stats.pb-c.h"

/* Those that memory needs. */
static const struct image_desc descs[IMG_NR] = {
	[IMG_INVENTORY] = { IMG_INVENTORY, "INVENTORY", 0x58313116, FRAMING_INVENTORY,
			    "inventory.img", .one_entry = true,
			    .entry = &criu__inventory_entry__descriptor },
	[IMG_PSTREE] = { IMG_PSTREE, "PSTREE", 0x50273030, FRAMING_COMMON, "pstree.img",
			 .entry = &criu__pstree_entry__descriptor },
	[IMG_CORE] = { IMG_CORE, "CORE", 0x55053847, FRAMING_COMMON, "core-", ".img",
		       .one_entry = true, .entry = &criu__core_entry__descriptor },
	[IMG_IDS] = { IMG_IDS, "IDS", 0x54432030, FRAMING_COMMON, "ids-", ".img", .one_entry = true,
		      .entry = &criu__task_kobj_ids_entry__descriptor },
	[IMG_MM] = { IMG_MM, "MM", 0x57492820, FRAMING_COMMON, "mm-", ".img", .one_entry = true,
		     .entry = &criu__mm_entry__descriptor },
	[IMG_PAGEMAP] = { IMG_PAGEMAP, "PAGEMAP", 0x56084025, FRAMING_COMMON, "pagemap-", ".img",
			  .head = &criu__pagemap_head__descriptor,
			  .entry = &criu__pagemap_entry__descriptor },
	[IMG_SHMEM_PAGEMAP] = { IMG_SHMEM_PAGEMAP, "PAGEMAP", 0x56084025, FRAMING_COMMON,
				"pagemap-shmem-", ".img", .head = &criu__pagemap_head__descriptor,
				.entry = &criu__pagemap_entry__descriptor },
	[IMG_FILES] = { IMG_FILES, "FILES", 0x56303138, FRAMING_COMMON, "files.img",
			.entry = &criu__file_entry__descriptor },
	[IMG_REG_FILES] = { IMG_REG_FILES, "REG_FILES", 0x50363636, FRAMING_COMMON, "reg-files.img",
			    .entry = &criu__reg_file_entry__descriptor },
	[IMG_MEMFD] = { IMG_MEMFD, "MEMFD_INODE", 0x48453499, FRAMING_COMMON, "memfd.img",
			.entry = &criu__memfd_inode_entry__descriptor },
	[IMG_STATS_DUMP] = { IMG_STATS_DUMP, "STATS", 0x57093306, FRAMING_SERVICE, "stats-dump",
			     .one_entry = true, .not_for_restore = true,
			     .entry = &criu__stats_entry__descriptor },
	[IMG_STATS_RESTORE] = { IMG_STATS_RESTORE, "STATS", 0x57093306, FRAMING_SERVICE,
				"stats-restore", .one_entry = true, .not_for_restore = true,
				.entry = &criu__stats_entry__descriptor },
};

/* The others.  Names and magics are all that we know of them. */
/* clang-format off */
#define OTHER(name_, magic_, prefix_, ...) \
	{ .kind = IMG_OTHER, .magic_name = name_, .magic = magic_, .prefix = prefix_, ##__VA_ARGS__ }
static const struct image_desc others[] = {
	OTHER("FDINFO", 0x56213732, "fdinfo-", .suffix = ".img"),
	OTHER("FS", 0x51403912, "fs-", .suffix = ".img", .one_entry = true),
	OTHER("CREDS", 0x54023547, "creds-", .suffix = ".img", .one_entry = true),
	OTHER("VMAS", 0x54123737, "vmas-", .suffix = ".img"),
	OTHER("SIGACT", 0x55344201, "sigacts-", .suffix = ".img"),
	OTHER("ITIMERS", 0x57464056, "itimers-", .suffix = ".img"),
	OTHER("POSIX_TIMERS", 0x52603957, "posix-timers-", .suffix = ".img"),
	OTHER("RLIMIT", 0x57113925, "rlimit-", .suffix = ".img"),
	OTHER("SIGNAL", 0x59255647, "signal-s-", .suffix = ".img"),
	OTHER("SIGNAL", 0x59255647, "signal-p-", .suffix = ".img"),
	OTHER("UTSNS", 0x54473203, "utsns-", .suffix = ".img", .one_entry = true),
	OTHER("TIMENS", 0x43114433, "timens-", .suffix = ".img", .one_entry = true),
	OTHER("PIDNS", 0x61157326, "pidns-", .suffix = ".img", .one_entry = true),
	OTHER("USERNS", 0x55474906, "userns-", .suffix = ".img", .one_entry = true),
	OTHER("NETNS", 0x55933752, "netns-", .suffix = ".img", .one_entry = true),
	OTHER("NETDEV", 0x57373951, "netdev-", .suffix = ".img"),
	OTHER("MNTS", 0x55563928, "mountpoints-", .suffix = ".img"),
	OTHER("AUTOFS", 0x49353943, "autofs-", .suffix = ".img", .one_entry = true),
	OTHER("BINFMT_MISC", 0x67343323, "binfmt-misc-", .suffix = ".img"),
	OTHER("BINFMT_MISC", 0x67343323, "binfmt-misc.img"),
	OTHER("IPC_VAR", 0x53115007, "ipcns-var-", .suffix = ".img", .one_entry = true),
	OTHER("IPCNS_SHM", 0x46283044, "ipcns-shm-", .suffix = ".img", .raw_after = true),
	OTHER("IPCNS_MSG", 0x55453737, "ipcns-msg-", .suffix = ".img", .raw_after = true),
	OTHER("IPCNS_SEM", 0x59573019, "ipcns-sem-", .suffix = ".img", .raw_after = true),
	OTHER("TCP_STREAM", 0x51465506, "tcp-stream-", .suffix = ".img", .hex = true, .raw_after = true),
	OTHER("GHOST_FILE", 0x52583605, "ghost-file-", .suffix = ".img", .hex = true, .raw_after = true),
	OTHER("REMAP_FPATH", 0x59133954, "remap-fpath.img"),
	OTHER("NS_FILES", 0x61394011, "ns-files.img"),
	OTHER("EXT_FILES", 0x59255641, "ext-files.img"),
	OTHER("EVENTFD_FILE", 0x44523722, "eventfd.img"),
	OTHER("EVENTPOLL_FILE", 0x45023858, "eventpoll.img"),
	OTHER("EVENTPOLL_TFD", 0x44433746, "eventpoll-tfd.img"),
	OTHER("SIGNALFD", 0x57323820, "signalfd.img"),
	OTHER("INOTIFY_FILE", 0x48424431, "inotify.img"),
	OTHER("INOTIFY_WD", 0x54562009, "inotify-wd.img"),
	OTHER("FANOTIFY_FILE", 0x55096122, "fanotify.img"),
	OTHER("FANOTIFY_MARK", 0x56506035, "fanotify-mark.img"),
	OTHER("TIMERFD", 0x50493712, "timerfd.img"),
	OTHER("PIPES", 0x56513555, "pipes.img"),
	OTHER("PIPES_DATA", 0x56453709, "pipes-data.img", .raw_after = true),
	OTHER("FIFO", 0x58364939, "fifo.img"),
	OTHER("FIFO_DATA", 0x59333054, "fifo-data.img", .raw_after = true),
	OTHER("UNIXSK", 0x54373943, "unixsk.img"),
	OTHER("INETSK", 0x56443851, "inetsk.img"),
	OTHER("PACKETSK", 0x60454618, "packetsk.img"),
	OTHER("NETLINK_SK", 0x58005614, "netlinksk.img"),
	OTHER("SK_QUEUES", 0x56264026, "sk-queues.img", .raw_after = true),
	OTHER("TTY_FILES", 0x59433025, "tty.img"),
	OTHER("TTY_INFO", 0x59453036, "tty-info.img"),
	OTHER("TTY_DATA", 0x59413026, "tty-data.img"),
	OTHER("FILE_LOCKS", 0x54323616, "filelocks.img"),
	OTHER("TUNFILE", 0x57143751, "tunfile.img"),
	OTHER("CGROUP", 0x59383330, "cgroup.img", .one_entry = true),
	OTHER("SECCOMP", 0x64413049, "seccomp.img", .one_entry = true, .may_be_bad = true),
	OTHER("APPARMOR", 0x59423047, "apparmor.img", .one_entry = true),
	OTHER("BPFMAP_FILE", 0x57506142, "bpfmap-file.img"),
	OTHER("BPFMAP_DATA", 0x64324033, "bpfmap-data.img", .raw_after = true),
	OTHER("CPUINFO", 0x61404013, "cpuinfo.img", .one_entry = true, .not_for_restore = true),
	OTHER("IRMAP_CACHE", 0x57004059, "irmap-cache", .framing = FRAMING_SERVICE, .not_for_restore = true),
};
/* clang-format on */

const struct image_desc *image_desc(enum image_kind kind)
{
	return &descs[kind];
}

/* The id between prefix and suffix, without leading zeros or signs, as names must be unique. */
static bool parse_id(const char *name, const struct image_desc *d, uint64_t *ret)
{
	size_t plen = strlen(d->prefix);
	char *end;

	if (strncmp(name, d->prefix, plen))
		return false;
	name += plen;
	if (d->hex ? !isxdigit((unsigned char)*name) : !isdigit((unsigned char)*name))
		return false;
	if (name[0] == '0' && isalnum((unsigned char)name[1]))
		return false;
	errno = 0;
	unsigned long long id = strtoull(name, &end, d->hex ? 16 : 10);
	if (errno || strcmp(end, d->suffix))
		return false;
	*ret = id;
	return true;
}

static bool has_name(const struct image_desc *d, const char *name, uint64_t *id_ret)
{
	*id_ret = 0;
	return d->suffix ? parse_id(name, d, id_ret) : !strcmp(name, d->prefix);
}

const struct image_desc *image_desc_by_name(const char *name, uint64_t *id_ret)
{
	const struct image_desc *found = NULL;
	uint64_t id = 0;

	for (size_t i = 0; i < IMG_NR && !found; i++)
		if (has_name(&descs[i], name, &id))
			found = &descs[i];
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !found; i++)
		if (has_name(&others[i], name, &id))
			found = &others[i];
	if (found && id_ret)
		*id_ret = id;
	return found;
}

const char *image_name(enum image_kind kind, uint64_t id, char buf[IMAGE_NAME_MAX])
{
	const struct image_desc *d = &descs[kind];

	if (d->suffix)
		snprintf(buf, IMAGE_NAME_MAX, "%s%lu%s", d->prefix, id, d->suffix);
	else
		snprintf(buf, IMAGE_NAME_MAX, "%s", d->prefix);
	return buf;
}
