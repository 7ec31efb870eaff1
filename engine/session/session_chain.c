/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/chain/chain_core.h"
#include "engine/chain/chain_diff.h"
#include "engine/chain/chain_flatten.h"
#include "engine/chain/chain_verify.h"
#include "engine/image/image_dir.h"
#include "engine/image/image_json.h"
#include "engine/proc/proc.h"
#include "engine/session/chain.h"
#include "engine/session/session_priv.h"

static struct err *frozen_task(const struct session *s, pid_t pid, const struct target **ret)
{
	for (size_t i = 0; i < s->nr_tasks; i++) {
		if (s->t[i].pid != pid)
			continue;
		if (s->t[i].thawed)
			return err_hint(err_new(ERR_STATE,
						"%d runs, so its memory cannot be compared", pid),
					"`restart` freezes it again");
		*ret = &s->t[i];
		return NULL;
	}
	return err_hint(
		err_new(ERR_STATE, "%d is not attached, so its memory cannot be compared", pid),
		"`attach %d` first: it has to be frozen", pid);
}

/* Its number in the images: that of the innermost pid namespace. */
static struct err *pid_in_images(pid_t pid, pid_t *ret)
{
	struct proc_status st;

	TRY(proc_read_status(pid, &st));
	*ret = st.nr_ns_pid ? st.ns_pid[st.nr_ns_pid - 1] : pid;
	return NULL;
}

struct err *session_verify(struct session *s, const char *dir, pid_t pid,
			   Stepdump__VerifyReport **ret)
{
	const struct target *t = NULL;
	Stepdump__VerifyReport *r;
	pid_t ns_pid = 0;
	struct err *e = NULL;

	s->interrupted = 0;
	if (pid) {
		TRY(frozen_task(s, pid, &t));
		TRY(pid_in_images(pid, &ns_pid));
	}
	TRY(chain_verify(dir, &s->interrupted, &r));
	/* Pages cannot be looked up in a broken chain. */
	if (t && !r->nr_fatal)
		e = chain_compare_live(dir, t, ns_pid, &s->caps, &s->interrupted, &r->live);
	if (e) {
		stepdump__verify_report__free_unpacked(r, NULL);
		return e;
	}
	*ret = r;
	return NULL;
}

struct err *session_diff(struct session *s, const char *old_dir, const char *new_dir, pid_t pid,
			 Stepdump__DiffReport **ret)
{
	s->interrupted = 0;
	return chain_diff(old_dir, new_dir, pid, &s->interrupted, ret);
}

struct err *session_flatten(struct session *s, const char *chain, const char *dir,
			    Stepdump__FlattenReport **ret)
{
	s->interrupted = 0;
	return chain_flatten(chain, dir, s->keeper, &s->interrupted, ret);
}

struct err *session_convert(struct session *s, const char *set, const char *dir, const char *parent,
			    Stepdump__FlattenReport **ret)
{
	s->interrupted = 0;
	return chain_convert(set, dir, parent, s->keeper, &s->interrupted, ret);
}

/* An image is read by its name in its directory: names are short, paths are not. */
static struct err *image_json_file(const char *path, size_t *left, struct json_object **ret)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = xstrndup(path, slash ? (size_t)(slash - path) + 1 : 0);
	AUTO_CLOSE int dirfd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(errno, "open %s", dir);
	return err_wrap(image_json(dirfd, slash ? slash + 1 : path, left, ret), "dump %s", path);
}

struct err *session_image_json(struct session *s, const char *path, struct json_object **ret)
{
	AUTO_IMAGE_DIR struct image_dir set = IMAGE_DIR_INIT;
	const char *slash = strrchr(path, '/');
	size_t left = IMAGE_JSON_MAX, len = strlen(path);

	s->interrupted = 0;
	if (image_desc_by_name(slash ? slash + 1 : path, NULL) ||
	    (len > 4 && !strcmp(path + len - 4, ".img")))
		return image_json_file(path, &left, ret);
	TRY(image_dir_open(path, PAGES_NONE, 0, &s->interrupted, &set));
	return image_json_dir(set.dirfd, path, ret);
}

struct err *session_core(struct session *s, const char *dir, pid_t pid, const char *file,
			 Stepdump__CoreReport **ret)
{
	s->interrupted = 0;
	return chain_core(dir, (uint32_t)pid, file, &s->interrupted, ret);
}
