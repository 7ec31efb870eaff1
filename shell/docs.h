/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Documents made from the tables of commands, options and topics. */
#ifndef STEPDUMP_DOCS_H
#define STEPDUMP_DOCS_H

#include <stdio.h>

void docs_usage(FILE *f);    /* --help */
void docs_man(FILE *f);      /* stepdump.1 */
void docs_markdown(FILE *f); /* docs/commands.md */
void docs_failures(FILE *f); /* docs/failures.md */
/* For the tests: "command TAB setup TAB line" for each example that runs. */
void docs_examples(FILE *f);

#endif
