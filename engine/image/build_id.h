/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The build id of an ELF file, as CRIU records it of mapped files to notice that one was replaced. */
#ifndef STEPDUMP_BUILD_ID_H
#define STEPDUMP_BUILD_ID_H

#include <stddef.h>
#include <stdint.h>

#define BUILD_ID_MAX 64

/* How many bytes it has; 0: not an ELF file of 64 bits, or it has none.  Reads a bounded amount. */
size_t build_id_read(int fd, uint8_t out[BUILD_ID_MAX]);

#endif
