/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/at_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define ADDRESS_FILE AT_SERVER_PREFIX "address"

const char *at_server_name(const char *pagemap, char buf[AT_SERVER_NAME_MAX])
{
	snprintf(buf, AT_SERVER_NAME_MAX, AT_SERVER_PREFIX "%s", pagemap);
	return buf;
}

const char *at_server_pagemap(const char *name)
{
	const char *pagemap = name + strlen(AT_SERVER_PREFIX);
	const struct image_desc *d;

	if (strncmp(name, AT_SERVER_PREFIX, strlen(AT_SERVER_PREFIX)) != 0)
		return NULL;
	d = image_desc_by_name(pagemap, NULL);
	return d && (d->kind == IMG_PAGEMAP || d->kind == IMG_SHMEM_PAGEMAP) ? pagemap : NULL;
}

bool at_server_has(int dirfd, const char *pagemap)
{
	char name[AT_SERVER_NAME_MAX];

	return !faccessat(dirfd, at_server_name(pagemap, name), F_OK, AT_SYMLINK_NOFOLLOW);
}

struct err *at_server_write_address(int dirfd, const char *where)
{
	AUTO_FREE char *line = xasprintf("%s\n", where);
	AUTO_CLOSE int fd = create_private(dirfd, ADDRESS_FILE, O_WRONLY | O_TRUNC);

	if (fd < 0 || write_full(fd, line, strlen(line)) < 0)
		return err_sys(errno, "write %s", ADDRESS_FILE);
	return NULL;
}

/* The directory may come from a stranger: only what an address looks like is repeated. */
char *at_server_who(int dirfd)
{
	AUTO_CLOSE int fd = -1;
	char line[256] = "";
	uint64_t size;
	struct err *e = image_open_file(dirfd, ADDRESS_FILE, &fd, &size);
	ssize_t n = e ? -1 : pread_full(fd, line, sizeof(line) - 1, 0);

	err_free(e);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	for (const char *p = line; *p; p++)
		if (*p < ' ' || *p > '~')
			line[0] = '\0';
	return *line ? xasprintf("page server %s", line) : xstrdup("a page server");
}
