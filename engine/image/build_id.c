/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/image/build_id.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define NOTES_MAX (64u << 10)
#define SEGMENTS_MAX 256u

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Of the notes of one segment. */
static size_t build_id_of_notes(const uint8_t *p, size_t len, uint8_t *out)
{
	Elf64_Nhdr n;

	for (size_t at = 0; len - at >= sizeof(n);) {
		memcpy(&n, p + at, sizeof(n));
		at += sizeof(n);
		if (n.n_namesz > len || n.n_descsz > len)
			return 0;

		size_t name = at, desc = at + align4(n.n_namesz), end = desc + align4(n.n_descsz);

		if (desc + n.n_descsz > len)
			return 0;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && !memcmp(p + name, "GNU", 4)) {
			size_t size = n.n_descsz < BUILD_ID_MAX ? n.n_descsz : BUILD_ID_MAX;

			memcpy(out, p + desc, size);
			return size;
		}
		if (end > len)
			return 0;
		at = end;
	}
	return 0;
}

size_t build_id_read(int fd, uint8_t out[BUILD_ID_MAX])
{
	AUTO_FREE uint8_t *notes = NULL;
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread_full(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(ph) || eh.e_phoff > INT64_MAX / 2)
		return 0;
	notes = xzalloc(NOTES_MAX);
	for (unsigned i = 0; i < eh.e_phnum && i < SEGMENTS_MAX; i++) {
		if (pread_full(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) !=
		    (ssize_t)sizeof(ph))
			return 0;
		if (ph.p_type != PT_NOTE || ph.p_offset > INT64_MAX)
			continue;

		size_t want = ph.p_filesz < NOTES_MAX ? ph.p_filesz : NOTES_MAX;
		ssize_t got = pread_full(fd, notes, want, (off_t)ph.p_offset);
		size_t size = got > 0 ? build_id_of_notes(notes, (size_t)got, out) : 0;

		if (size)
			return size;
	}
	return 0;
}
