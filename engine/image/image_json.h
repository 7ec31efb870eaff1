/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any image of CRIU as JSON, as `crit decode` shows it: { "magic": "MM", "entries": [ { ... }, ... ] }.
 *
 * Fields have CRIU's names where we have the message; others are "field_7", by their numbers: a number is an unsigned
 * one; bytes are a text if they are printable, an object if they parse as a message, else base64.  Bytes that are not
 * framed and follow an entry are counted, as "extra".
 */
#ifndef STEPDUMP_IMAGE_JSON_H
#define STEPDUMP_IMAGE_JSON_H

#include <json-c/json.h>

#include "base/err.h"

/* All values together: JSON of more would take more memory than the image is worth. */
#define IMAGE_JSON_MAX 4000000u

/*
 * image_json - the image `name` of an open directory.  left: values that may still be made, counted down.
 * Fails: ERR_SYS; ERR_FORMAT for what is not an image with entries, or damaged; ERR_CHECK beyond `left`.
 */
struct err *image_json(int dirfd, const char *name, size_t *left, json_object **ret);
/* All images of a directory, by name; one that cannot be read is { "error": "..." }. */
struct err *image_json_dir(int dirfd, const char *path, json_object **ret);

#endif
