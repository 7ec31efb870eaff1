/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of the views; only the state and the frame above them use it. */
#include "views/view_impl.h"

const struct view_ops *view_ops(enum view_id v)
{
	static const struct view_ops *const ops[] = {
		[VIEW_PIPELINE] = &view_pipeline, [VIEW_PIPES] = &view_pipes,
		[VIEW_MAP] = &view_map,           [VIEW_PARENTS] = &view_parents,
		[VIEW_THREADS] = &view_list,      [VIEW_EVENTS] = &view_list,
		[VIEW_PMC] = &view_list,          [VIEW_HOLES] = &view_list,
		[VIEW_XFER] = &view_list,         [VIEW_CHECKS] = &view_list,
	};

	return ops[v < NR_VIEWS ? v : VIEW_PIPELINE];
}
