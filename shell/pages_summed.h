/* SPDX-License-Identifier: GPL-3.0-or-later */
/* show pages --duplicates, --by-vma, --by-file: sums over the pages of a task. */
#ifndef STEPDUMP_PAGES_SUMMED_H
#define STEPDUMP_PAGES_SUMMED_H

#include "base/err.h"

struct out;
struct shell;

struct err *show_pages_summed(struct shell *sh, const char *what, struct out *o);

#endif
