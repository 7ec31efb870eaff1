/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/parent_link.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

/* Real path of the directory that holds `path`, which itself need not exist; NULL if there is
 * none.  Caller frees. */
static char *link_real_dirname(const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	return realpath(dirname(copy), NULL);
}

/* From inside a directory in `base` to `path`; both absolute. */
static char *link_relative_path(const char *base, const char *path)
{
	size_t same = 0, i = 0;
	char up[3 * 256] = "../";

	for (; base[i] && base[i] == path[i]; i++)
		if (base[i] == '/')
			same = i + 1;
	if (!base[i] && path[i] == '/')
		same = i + 1; /* path lies below base */
	else
		for (const char *p = base + same; *p && strlen(up) + 4 < sizeof(up); p++)
			if (p == base + same || *p == '/')
				strcat(up, "../");
	return xasprintf("%s%s", up, path + same);
}

char *parent_link(const char *parent, const char *staged, const char *to)
{
	AUTO_FREE char *here = link_real_dirname(staged);
	AUTO_FREE char *there = link_real_dirname(to);

	if (here && there && !strcmp(here, there))
		return link_relative_path(here, parent);
	return xstrdup(parent);
}
