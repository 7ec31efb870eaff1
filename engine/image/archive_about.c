/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a container engine says of a container beside its images, in one or two lines. */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/vec.h"
#include "engine/image/archive.h"
#include "engine/image/image.h"

#define CONFIG_MAX (4u << 20)

static json_object *about_load(int dirfd, const char *name)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE char *text = NULL;
	json_object *o = NULL;
	uint64_t size;
	AUTO_ERR struct err *e = image_open_file(dirfd, name, &fd, &size);

	if (e || size > CONFIG_MAX)
		return NULL;
	text = xzalloc(size + 1);
	if (pread_full(fd, text, size, 0) == (ssize_t)size)
		o = json_tokener_parse(text);
	return o;
}

/* NULL: it is not there, or is not text. */
static const char *about_text(json_object *o, const char *key)
{
	json_object *v;

	return o && json_object_is_type(o, json_type_object) &&
			       json_object_object_get_ex(o, key, &v) &&
			       json_object_is_type(v, json_type_string) ?
		       json_object_get_string(v) :
		       NULL;
}

/* " KEY VALUE", cut at a sane length; control characters are not for a terminal. */
static void about_add(char **line, const char *key, const char *value)
{
	char clean[160];
	size_t n = 0;

	if (!value || !*value)
		return;
	for (; n < sizeof(clean) - 1 && value[n]; n++)
		clean[n] = (unsigned char)value[n] < 0x20 || value[n] == 0x7f ? '?' : value[n];
	clean[n] = 0;

	char *more = xasprintf("%s%s%s %s", *line ?: "", *line ? ", " : "", key, clean);

	free(*line);
	*line = more;
}

static void about_config(json_object *o, char **line)
{
	about_add(line, "container", about_text(o, "name"));
	about_add(line, "id", about_text(o, "id"));
	about_add(line, "image", about_text(o, "rootfsImageName") ?: about_text(o, "rootfsImage"));
	about_add(line, "runtime", about_text(o, "runtime"));
	about_add(line, "created", about_text(o, "createdTime"));
	about_add(line, "checkpointed",
		  about_text(o, "checkpointedAt") ?: about_text(o, "checkpointedTime"));
}

static void about_spec(json_object *o, char **line)
{
	json_object *notes = NULL, *process = NULL, *args = NULL;

	if (!o || !json_object_is_type(o, json_type_object))
		return;
	json_object_object_get_ex(o, "annotations", &notes);
	about_add(line, "engine", about_text(notes, "io.container.manager"));
	about_add(line, "pod",
		  about_text(notes, "io.kubernetes.pod.name") ?:
			  about_text(notes, "io.kubernetes.cri.sandbox-name"));
	about_add(line, "namespace",
		  about_text(notes, "io.kubernetes.pod.namespace") ?:
			  about_text(notes, "io.kubernetes.cri.sandbox-namespace"));
	about_add(line, "container",
		  about_text(notes, "io.kubernetes.container.name") ?:
			  about_text(notes, "io.kubernetes.cri.container-name"));
	about_add(line, "host", about_text(o, "hostname"));
	if (json_object_object_get_ex(o, "process", &process) &&
	    json_object_is_type(process, json_type_object) &&
	    json_object_object_get_ex(process, "args", &args) &&
	    json_object_is_type(args, json_type_array) && json_object_array_length(args)) {
		json_object *first = json_object_array_get_idx(args, 0);

		if (first && json_object_is_type(first, json_type_string))
			about_add(line, "runs", json_object_get_string(first));
	}
}

static void about_file(int dirfd, const char *name, void (*fn)(json_object *o, char **line),
		       char ***about, size_t *nr)
{
	json_object *o = about_load(dirfd, name);
	char *line = NULL;

	if (o)
		fn(o, &line);
	if (line) {
		*vec_push(*about, *nr) = xasprintf("%s: %s", name, line);
		free(line);
	}
	json_object_put(o);
}

void archive_about(int dirfd, char ***about, size_t *nr)
{
	about_file(dirfd, "config.dump", about_config, about, nr);
	about_file(dirfd, "spec.dump", about_spec, about, nr);
}
