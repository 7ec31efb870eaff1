/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The `parent` symlink of an image set. */
#ifndef STEPDUMP_PARENT_LINK_H
#define STEPDUMP_PARENT_LINK_H

/*
 * parent_link - where it has to point: to `parent`, a real path.
 * staged is where the set is now, `to` where it will be published.  Relative to the set, as CRIU
 * does it; but absolute if the two do not lie side by side, as it has to lead there from both.
 * Caller frees.
 */
char *parent_link(const char *parent, const char *staged, const char *to);

#endif
