/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Debian's criu package installs headers that include this one, but not the file itself. */
#ifndef STEPDUMP_SHIM_BITSPERLONG_H
#define STEPDUMP_SHIM_BITSPERLONG_H
#define BITS_PER_LONG (__SIZEOF_LONG__ * 8)
#endif
