/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench/bench.h"

static noreturn void touch(uint64_t bytes)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* If memory runs short, this process is to be killed, and not somebody's work. */
	if (fd < 0 || write(fd, "1000", 4) != 4)
		_exit(1);

	volatile char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	for (uint64_t i = 0; i < bytes; i += PAGE)
		p[i] = 1;
	_exit(0);
}

void touch_free_memory(uint64_t bytes)
{
	struct sysinfo si;

	if (!sysinfo(&si) && bytes > (uint64_t)si.freeram * si.mem_unit / 4)
		bytes = (uint64_t)si.freeram * si.mem_unit / 4;

	pid_t child = fork();

	if (!child)
		touch(bytes);
	if (child > 0)
		waitpid(child, NULL, 0);
}

static uint64_t delay_of(const char *path)
{
	unsigned long long ns = 0;
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%*u %llu", &ns) != 1)
		ns = 0;
	if (f)
		fclose(f);
	return ns / 1000;
}

uint64_t run_delay_us(pid_t target)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", target);
	return delay_of("/proc/self/schedstat") + (target ? delay_of(path) : 0);
}

uint64_t status_kib(pid_t pid, const char *field)
{
	char path[40], line[200];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) &&
		    sscanf(line + strlen(field), "%llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

pid_t first_child(void)
{
	char path[60];
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *f = fopen(path, "re");

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
