/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A command is one `const struct cmd_entry`.  Dispatch, help, completion, repeat, the man page,
 * docs/commands.md and a part of the tests all come from these entries.
 */
#ifndef STEPDUMP_CMD_H
#define STEPDUMP_CMD_H

#include <limits.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "shell/complete.h"
#include "shell/out.h"
#include "shell/shell.h"

enum cmd_group { /* in the order of `help` */
		 GROUP_TARGET,
		 GROUP_RUN,
		 GROUP_BREAK,
		 GROUP_COMMIT,
		 GROUP_LOOK,
		 GROUP_CHAIN,
		 GROUP_DIAGNOSE,
		 GROUP_LEARN,
		 GROUP_SHELL,
		 NR_GROUPS
};

#define CMD_NEEDS_TARGET 0x01u   /* a target is attached */
#define CMD_NEEDS_PIPELINE 0x02u /* prepare has begun */
#define CMD_MUTATES 0x04u        /* changes a process or publishes: --readonly refuses it */
#define CMD_NO_REPEAT 0x08u      /* Enter does not repeat it */
#define CMD_LIVE 0x10u           /* refused while a saved snapshot is open */
#define CMD_RAW 0x20u            /* gets the rest of the line as one argument, quotes and | as is */
#define CMD_STREAMS 0x40u        /* output appears while it runs: never through the pager */
#define CMD_MOD 0x80u            /* takes a modifier: x/4w */
#define CMD_CONDITIONS 0x100u    /* takes comparisons: > before a number is not a redirection */
#define CMD_ALONE 0x200u         /* also as `stepdump COMMAND ARGS`, without a shell */
#define CMD_REPLAYS 0x800u       /* works on a recording too, whatever its other flags say */
#define CMD_WRITES 0x1000u       /* writes a file, or runs what may: --readonly refuses it too */
#define CMD_SETS 0x2000u         /* works on an image set too, whatever its other flags say */
#define CMD_TERMINAL 0x400u      /* what it starts owns the terminal: a view steps aside */

#define ARGS_MANY UINT_MAX

struct args {
	unsigned argc; /* without the command itself */
	char **argv;
	const char *mod; /* text after "/", or NULL */
};

/* `line` is a command line that works as it stands when `setup` has run before (commands separated
 * by ";"; "" for none), with a pid for %P and a directory for %D.  setup NULL: shown in help, not
 * run by the tests. */
struct cmd_example {
	const char *line;
	const char *what;
	const char *setup;
};

struct cmd_entry {
	const char *name;
	const char *aliases; /* separated by one blank; NULL: none */
	enum cmd_group group;
	struct {
		unsigned min, max;
		complete_fn complete; /* NULL: nothing to complete */
	} args;
	const char *usage;                  /* what follows the name, one line; "" for nothing */
	const char *summary;                /* at most 60 columns, no full stop */
	const char *help;                   /* prose */
	const struct cmd_example *examples; /* ends with line == NULL; may be NULL */
	unsigned flags;
	/* The line that Enter runs after this one (heap); NULL: the same line again. */
	char *(*repeat)(const struct shell *sh, const struct args *a);
	struct err *(*exec)(struct shell *sh, const struct args *a, struct out *o);
};

const char *cmd_group_name(enum cmd_group g);

/* The line as a reader sees it: ordinary values for "%P" and "%D", which the tests fill in; heap. */
char *cmd_example_text(const struct cmd_example *e);
/* "usage: break WHERE", as an error. */
struct err *cmd_usage(const struct cmd_entry *c) __attribute__((warn_unused_result));
/* The words with a blank between them; heap. */
char *args_join(const struct args *a);
/* Decimal or 0x number in [min, max]; the error says that it is not a `what`. */
struct err *arg_uint(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *ret);
/* An address: hex with or without 0x, $ip or $sp of the leader, a VMA by its name in brackets, each
 * with +N or -N (hex). */
struct err *arg_addr(struct shell *sh, const char *text, uint64_t *ret);
/* Where the VMA with that number begins. */
struct err *arg_vma_index(struct shell *sh, uint64_t index, uint64_t *ret);

#endif
