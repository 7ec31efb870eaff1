/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/uprobe.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/arch/arch.h"

#define PMU "/sys/bus/event_source/devices/uprobe"
#define RING_PAGES 1u

struct uprobe {
	int fd;
	struct perf_event_mmap_page *head; /* the ring is behind it */
	struct uprobe_note last;
};

/* PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER, one register. */
struct sample {
	struct perf_event_header h;
	uint64_t time, abi, value;
};

/* The number at the end of a line of sysfs: "8", "config:0". */
static struct err *pmu_number(const char *file, unsigned *ret)
{
	AUTO_FCLOSE FILE *f = fopen(file, "re");
	char line[32] = "";

	if (!f)
		return err_hint(err_sys(errno, "open %s", file),
				"this kernel has no uprobes for perf");
	if (!fgets(line, sizeof(line), f))
		return err_new(ERR_FORMAT, "%s is empty", file);
	*ret = (unsigned)strtoul(line + strcspn(line, "0123456789"), NULL, 10);
	return NULL;
}

static struct err *uprobe_event(pid_t pid, uint64_t offset, enum uprobe_kind kind, int *ret)
{
	char path[32];
	unsigned type, retprobe;

	TRY(pmu_number(PMU "/type", &type));
	TRY(pmu_number(PMU "/format/retprobe", &retprobe));
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);

	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = type,
		.config = kind == UPROBE_RETURNS ? 1ull << retprobe : 0,
		.uprobe_path = (uint64_t)path,
		.probe_offset = offset,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER,
		.sample_regs_user = 1ull
				    << (kind == UPROBE_RETURNS ? ARCH_PERF_RESULT : ARCH_PERF_ARG),
		.wakeup_events = 1,
	};

	*ret = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return *ret < 0 ? err_sys(errno, "set a uprobe") : NULL;
}

struct err *uprobe_open(pid_t pid, uint64_t offset, enum uprobe_kind kind, struct uprobe **ret)
{
	int fd;

	TRY(uprobe_event(pid, offset, kind, &fd));
	size_t len = (1 + RING_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		struct err *e = err_sys(errno, "map the notes of a uprobe");

		close(fd);
		return e;
	}
	struct uprobe *u = *ret = xzalloc(sizeof(*u));

	u->fd = fd;
	u->head = at;
	return NULL;
}

void uprobe_close(struct uprobe *u)
{
	if (!u)
		return;
	munmap(u->head, (1 + RING_PAGES) * (size_t)sysconf(_SC_PAGESIZE));
	close(u->fd);
	free(u);
}

/* Of the ring, which goes round. */
static void ring_read(const struct perf_event_mmap_page *m, uint64_t at, void *buf, size_t len)
{
	const char *data = (const char *)m + m->data_offset;

	for (size_t i = 0; i < len; i++)
		((char *)buf)[i] = data[(at + i) % m->data_size];
}

struct uprobe_note uprobe_last(struct uprobe *u)
{
	uint64_t head = __atomic_load_n(&u->head->data_head, __ATOMIC_ACQUIRE),
		 at = u->head->data_tail;

	while (at < head) {
		struct sample s;

		ring_read(u->head, at, &s.h, sizeof(s.h));
		if (s.h.type == PERF_RECORD_SAMPLE && s.h.size >= sizeof(s)) {
			ring_read(u->head, at, &s, sizeof(s));
			if (s.abi)
				u->last = (struct uprobe_note){ .value = s.value, .time = s.time };
		}
		at += s.h.size ? s.h.size : head - at;
	}
	__atomic_store_n(&u->head->data_tail, head, __ATOMIC_RELEASE);
	return u->last;
}
