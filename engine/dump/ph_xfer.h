/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef STEPDUMP_PH_XFER_H
#define STEPDUMP_PH_XFER_H

#include "engine/dump/dump.h"

/* Transfers the first ppb that has not been, with the holes that come before its iovs: in one
 * splice.  It must be DRAINED; after a failure it still is. */
struct err *xfer_ppb(struct dump *d);

#endif
