/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/net/wire.h"

#include <stdio.h>
#include <string.h>

#include "engine/image/pagemap_image.h"

static const char *const cmd_names[] = {
	[PS_ADD] = "ADD",       [PS_HOLE] = "HOLE",   [PS_OPEN] = "OPEN", [PS_OPEN2] = "OPEN2",
	[PS_PARENT] = "PARENT", [PS_ADD_F] = "ADD_F", [PS_GET] = "GET",
};

const char *ps_wire_name(enum ps_wire w)
{
	return w == PS_WIRE_3_17 ? "3.17" : w == PS_WIRE_4_2 ? "4.2" : "?";
}

const char *ps_cmd_name(uint32_t cmd)
{
	if (cmd == PS_CLOSE)
		return "CLOSE";
	if (cmd == PS_FORCE_CLOSE)
		return "FORCE_CLOSE";
	return cmd < sizeof(cmd_names) / sizeof(cmd_names[0]) ? cmd_names[cmd] : NULL;
}

void ps_pack(enum ps_wire w, const struct ps_msg *m, uint8_t buf[PS_HEADER_MAX])
{
	uint32_t cmd = m->cmd | m->flags << 16, nr = (uint32_t)m->nr_pages;

	memset(buf, 0, PS_HEADER_MAX);
	memcpy(buf, &cmd, 4);
	if (w == PS_WIRE_4_2) {
		memcpy(buf + 8, &m->nr_pages, 8);
		memcpy(buf + 16, &m->vaddr, 8);
		memcpy(buf + 24, &m->dst_id, 8);
	} else {
		memcpy(buf + 4, &nr, 4);
		memcpy(buf + 8, &m->vaddr, 8);
		memcpy(buf + 16, &m->dst_id, 8);
	}
}

void ps_unpack(enum ps_wire w, const uint8_t *buf, struct ps_msg *ret)
{
	uint32_t cmd, nr;

	memcpy(&cmd, buf, 4);
	*ret = (struct ps_msg){ .cmd = cmd & 0xffff, .flags = cmd >> 16 };
	if (w == PS_WIRE_4_2) { /* bytes 4 to 7 are whatever CRIU's stack had there */
		memcpy(&ret->nr_pages, buf + 8, 8);
		memcpy(&ret->vaddr, buf + 16, 8);
		memcpy(&ret->dst_id, buf + 24, 8);
	} else {
		memcpy(&nr, buf + 4, 4);
		ret->nr_pages = nr;
		memcpy(&ret->vaddr, buf + 8, 8);
		memcpy(&ret->dst_id, buf + 16, 8);
	}
}

enum ps_wire ps_detect(const uint8_t first[PS_HEADER_MIN])
{
	uint64_t last;

	memcpy(&last, first + 16, 8);
	return last ? PS_WIRE_3_17 : PS_WIRE_4_2;
}

bool ps_dst_object(uint64_t dst_id, enum image_kind *kind_ret, uint64_t *id_ret)
{
	uint64_t id = dst_id >> 8;

	*id_ret = id;
	switch (dst_id & 0xff) {
	case 1: /* since CRIU 3.4; before, an internal number */
	case 10:
	case 11:
	case 16:
	case 17:
		*kind_ret = IMG_PAGEMAP;
		return id > 0 && id <= INT32_MAX;
	case 2:
	case 27:
	case 28:
	case 29:
	case 32:
	case 33:
	case 34:
		*kind_ret = IMG_SHMEM_PAGEMAP;
		return true;
	default:
		return false;
	}
}

void ps_describe(const struct ps_msg *m, char *buf, size_t len)
{
	const char *name = ps_cmd_name(m->cmd);
	char text[IMAGE_NAME_MAX];
	enum image_kind kind;
	uint64_t id;

	if (!name)
		snprintf(buf, len, "unknown command 0x%x", m->cmd);
	else if (m->cmd == PS_ADD_F || m->cmd == PS_ADD || m->cmd == PS_HOLE)
		snprintf(buf, len, "%s %lx +%lu%s%s%s", name, m->vaddr, m->nr_pages,
			 m->flags & PE_PARENT ? " PARENT" : "", m->flags & PE_LAZY ? " LAZY" : "",
			 m->flags & PE_PRESENT ? " PRESENT" : "");
	else if (m->dst_id && ps_dst_object(m->dst_id, &kind, &id))
		snprintf(buf, len, "%s %s", name, image_name(kind, id, text));
	else
		snprintf(buf, len, "%s", name);
}
