/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/watch/layout.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

struct layout {
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf *dwarf;
};

/* The standard one also asks debuginfod. */
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_build_id_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static struct err *layout_read(struct layout *l, pid_t pid)
{
	char path[32];
	Dwarf_Addr bias;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(errno, "open %s", path);
	l->dwfl = dwfl_begin(&callbacks);
	/* It takes the descriptor over. */
	l->module = l->dwfl ? dwfl_report_elf(l->dwfl, "criu", path, fd, 0, true) : NULL;
	if (!l->module) {
		close(fd);
		return err_new(ERR_UNSUPPORTED, "%s: %s", path, dwfl_errmsg(-1));
	}
	dwfl_report_end(l->dwfl, NULL, NULL);
	l->dwarf = dwfl_module_getdwarf(l->module, &bias);
	return l->dwarf ? NULL : err_new(ERR_UNSUPPORTED, "it has no debug information");
}

struct err *layout_open(pid_t pid, struct layout **ret)
{
	struct layout *l = xzalloc(sizeof(*l));
	struct err *e = layout_read(l, pid);

	if (e) {
		layout_close(l);
		return e;
	}
	*ret = l;
	return NULL;
}

void layout_close(struct layout *l)
{
	if (l->dwfl)
		dwfl_end(l->dwfl);
	free(l);
}

/* ---- structures ---------------------------------------------------------------------------------- */

static bool find_struct(Dwarf *d, const char *type, Dwarf_Die *ret)
{
	Dwarf_Off at = 0, next;
	size_t head;

	for (; !dwarf_nextcu(d, at, &next, &head, NULL, NULL, NULL); at = next) {
		Dwarf_Die unit;

		if (!dwarf_offdie(d, at + head, &unit) || dwarf_child(&unit, ret))
			continue;
		do {
			const char *name =
				dwarf_tag(ret) == DW_TAG_structure_type ? dwarf_diename(ret) : NULL;

			if (name && !strcmp(name, type) && !dwarf_hasattr(ret, DW_AT_declaration))
				return true;
		} while (!dwarf_siblingof(ret, ret));
	}
	return false;
}

static void read_member(Dwarf_Die *member, struct field *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Die type;
	Dwarf_Word offset = 0, bytes = 0;

	/* The first member of a union has none. */
	if (dwarf_attr(member, DW_AT_data_member_location, &attr))
		dwarf_formudata(&attr, &offset);
	if (dwarf_attr(member, DW_AT_type, &attr) && dwarf_formref_die(&attr, &type) &&
	    !dwarf_aggregate_size(&type, &bytes))
		*ret = (struct field){ .offset = offset, .bytes = bytes };
}

struct err *layout_struct(struct layout *l, const char *type, const char *const *name, size_t nr,
			  unsigned may_lack, struct field *ret)
{
	Dwarf_Die die, member;

	memset(ret, 0, nr * sizeof(*ret));
	if (!find_struct(l->dwarf, type, &die) || dwarf_child(&die, &member))
		return err_new(ERR_UNSUPPORTED, "its debug information has no struct %s", type);
	do {
		const char *is =
			dwarf_tag(&member) == DW_TAG_member ? dwarf_diename(&member) : NULL;

		for (size_t i = 0; is && i < nr; i++)
			if (!strcmp(is, name[i]))
				read_member(&member, &ret[i]);
	} while (!dwarf_siblingof(&member, &member));
	for (size_t i = 0; i < nr; i++)
		if (!ret[i].bytes && !(may_lack & 1u << i))
			return err_new(ERR_UNSUPPORTED, "its struct %s has no %s", type, name[i]);
	return NULL;
}

/* ---- functions ----------------------------------------------------------------------------------- */

/* From an address of the file's program headers to a place in the file. */
static bool place_in_file(Elf *elf, GElf_Addr addr, uint64_t *ret)
{
	size_t nr;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &nr))
		return false;
	for (size_t i = 0; i < nr; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && addr >= ph.p_vaddr &&
		    addr - ph.p_vaddr < ph.p_filesz) {
			*ret = addr - ph.p_vaddr + ph.p_offset;
			return true;
		}
	return false;
}

struct err *layout_function(struct layout *l, const char *name, uint64_t *ret)
{
	GElf_Addr bias, addr;
	Elf *elf = dwfl_module_getelf(l->module, &bias);
	int nr = dwfl_module_getsymtab(l->module);

	for (int i = 1; elf && i < nr; i++) {
		GElf_Sym sym;
		const char *is =
			dwfl_module_getsym_info(l->module, i, &sym, &addr, NULL, NULL, NULL);

		if (is && !strcmp(is, name) && GELF_ST_TYPE(sym.st_info) == STT_FUNC &&
		    place_in_file(elf, addr - bias, ret))
			return NULL;
	}
	return err_new(ERR_UNSUPPORTED, "it has no symbol %s", name);
}
