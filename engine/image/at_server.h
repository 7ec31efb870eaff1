/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is kept here of a set whose pages went to a page server: the ranges that the server holds, as
 * pagemaps without a pages file, and where the server was.
 *
 *	server-pagemap-4242.img    in the format of pagemap-4242.img; all entries PE_PRESENT, also those
 *	                           that the server itself holds in a parent
 *	server-address             one line of text
 *
 * CRIU reads neither.  A page of such a set can be left out by a later dump, but not be read here.
 */
#ifndef STEPDUMP_AT_SERVER_H
#define STEPDUMP_AT_SERVER_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/image/image.h"

#define AT_SERVER_PREFIX "server-"
#define AT_SERVER_NAME_MAX (IMAGE_NAME_MAX + sizeof(AT_SERVER_PREFIX))

/* "pagemap-4242.img" -> "server-pagemap-4242.img".  Returns `buf`. */
const char *at_server_name(const char *pagemap, char buf[AT_SERVER_NAME_MAX]);
/* "server-pagemap-4242.img" -> "pagemap-4242.img", part of `name`; NULL: it is not the record of a pagemap. */
const char *at_server_pagemap(const char *name);
/* Is there a record of `pagemap` in the directory? */
bool at_server_has(int dirfd, const char *pagemap);

struct err *at_server_write_address(int dirfd, const char *where);
/* "page server 10.0.0.5:7777", or "a page server" if it is not known; the caller frees. */
char *at_server_who(int dirfd);

#endif
