/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots of the live session, or of the file that is open. */
#include "engine/session/set_view.h"
#include "shell/shell.h"

struct err *shell_snap(struct shell *sh, const struct snap_request *req, Stepdump__Snapshot **ret)
{
	if (!sh->opened)
		return snap_take(sh->session, req, ret);
	if (sh->set && (req->parts & (SNAP_WHY | SNAP_PEEK) || req->runs_end))
		return set_view_take(sh->set, req, ret);
	*ret = sh->opened;
	return NULL;
}

void shell_snap_free(struct shell *sh, Stepdump__Snapshot *s)
{
	if (s && s != sh->opened)
		stepdump__snapshot__free_unpacked(s, NULL);
}
