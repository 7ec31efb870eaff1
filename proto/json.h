/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Prints any protobuf-c message as JSON, by one walk over its descriptor.
 *
 * Names are those of the .proto file; enums are lower-case names with dashes, as commands spell
 * them; 64-bit numbers are JSON integers; bytes are hex text; absent optional fields are left out;
 * repeated fields are always there, possibly empty.  Bytes of a string that are not UTF-8 become
 * U+FFFD; an enum value without a name is printed as its number, a double that is not a number as
 * "nan", "inf", "-inf".
 */
#ifndef STEPDUMP_JSON_H
#define STEPDUMP_JSON_H

#include <json-c/json.h>
#include <protobuf-c/protobuf-c.h>

/* NULL only when out of memory.  Caller: json_object_put(). */
json_object *pb_to_json(const ProtobufCMessage *m);

#endif
