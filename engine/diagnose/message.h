/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Building the messages of proto/diagnose.proto.  Internal to engine/diagnose/ and the session. */
#ifndef STEPDUMP_DIAGNOSE_MESSAGE_H
#define STEPDUMP_DIAGNOSE_MESSAGE_H

#include "engine/diagnose/causes.h"
#include "proto/diagnose.pb-c.h"

/* Copies all of the table's entry; it is freed with the message that holds it. */
Stepdump__Cause *cause_message(enum cause_id id);
Stepdump__CauseList *cause_list(void);

#endif
