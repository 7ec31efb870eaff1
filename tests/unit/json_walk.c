/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The JSON walker: every field type and label, extreme values, absent fields.  Two witnesses:
 * json-c parses the text back, and Python's protobuf reads the same bytes (json_witness.py).
 * The message is described by hand, the same way protoc-c would; json_types.proto is its twin.
 */
#include <math.h>

#include "proto/json.h"
#include "proto/snapshot.pb-c.h"

#include "tests/lib/test.h"

#define OPTIONAL_FIELDS(X)                                                                         \
	X(1, i32, INT32, int32_t)                                                                  \
	X(2, s32, SINT32, int32_t)                                                                 \
	X(3, sf32, SFIXED32, int32_t)                                                              \
	X(4, u32, UINT32, uint32_t)                                                                \
	X(5, f32, FIXED32, uint32_t)                                                               \
	X(6, i64, INT64, int64_t)                                                                  \
	X(7, s64, SINT64, int64_t)                                                                 \
	X(8, sf64, SFIXED64, int64_t)                                                              \
	X(9, u64, UINT64, uint64_t)                                                                \
	X(10, f64, FIXED64, uint64_t)                                                              \
	X(11, flt, FLOAT, float)                                                                   \
	X(12, dbl, DOUBLE, double)                                                                 \
	X(13, yes, BOOL, protobuf_c_boolean)                                                       \
	X(14, colour, ENUM, int)                                                                   \
	X(16, raw, BYTES, ProtobufCBinaryData)

struct types {
	ProtobufCMessage base;
#define MEMBER(id, name, type, ctype)                                                              \
	protobuf_c_boolean has_##name;                                                             \
	ctype name;
	OPTIONAL_FIELDS(MEMBER)
#undef MEMBER
	char *text;
	struct types *inner;
	size_t n_r_u64;
	uint64_t *r_u64;
	size_t n_r_yes;
	protobuf_c_boolean *r_yes;
	size_t n_r_colour;
	int *r_colour;
	size_t n_r_text;
	char **r_text;
	size_t n_r_raw;
	ProtobufCBinaryData *r_raw;
	size_t n_r_inner;
	struct types **r_inner;
	size_t n_r_dbl;
	double *r_dbl;
	size_t n_r_s32;
	int32_t *r_s32;
	uint32_t choice_case;
	union {
		uint32_t pick_u32;
		char *pick_text;
	};
};

extern const ProtobufCMessageDescriptor types_descriptor;

static const ProtobufCEnumValue colour_values[] = {
	{ .name = "RED", .c_name = "RED", .value = 0 },
	{ .name = "DARK_BLUE", .c_name = "DARK_BLUE", .value = 7 },
};
static const ProtobufCIntRange colour_ranges[] = { { 0, 0 }, { 7, 1 }, { 0, 2 } };
static const ProtobufCEnumDescriptor colour_descriptor = {
	.magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC,
	.name = "Colour",
	.n_values = 2,
	.values = colour_values,
	.n_value_ranges = 2,
	.value_ranges = colour_ranges,
};

#define FIELD(number, member, lbl, typ, quantifier, desc, flag)                                    \
	{                                                                                          \
		.name = #member, .id = number, .label = PROTOBUF_C_LABEL_##lbl,                    \
		.type = PROTOBUF_C_TYPE_##typ, .quantifier_offset = quantifier,                    \
		.offset = offsetof(struct types, member), .descriptor = desc, .flags = flag,       \
	}
#define OPT(number, member, typ, desc)                                                             \
	FIELD(number, member, OPTIONAL, typ, offsetof(struct types, has_##member), desc, 0)
#define REP(number, member, typ, desc)                                                             \
	FIELD(number, member, REPEATED, typ, offsetof(struct types, n_##member), desc, 0)
#define ONE(number, member, typ)                                                                   \
	FIELD(number, member, OPTIONAL, typ, offsetof(struct types, choice_case), NULL,            \
	      PROTOBUF_C_FIELD_FLAG_ONEOF)

static const ProtobufCFieldDescriptor fields[] = {
	OPT(1, i32, INT32, NULL),
	OPT(2, s32, SINT32, NULL),
	OPT(3, sf32, SFIXED32, NULL),
	OPT(4, u32, UINT32, NULL),
	OPT(5, f32, FIXED32, NULL),
	OPT(6, i64, INT64, NULL),
	OPT(7, s64, SINT64, NULL),
	OPT(8, sf64, SFIXED64, NULL),
	OPT(9, u64, UINT64, NULL),
	OPT(10, f64, FIXED64, NULL),
	OPT(11, flt, FLOAT, NULL),
	OPT(12, dbl, DOUBLE, NULL),
	OPT(13, yes, BOOL, NULL),
	OPT(14, colour, ENUM, &colour_descriptor),
	FIELD(15, text, OPTIONAL, STRING, 0, NULL, 0),
	OPT(16, raw, BYTES, NULL),
	FIELD(17, inner, OPTIONAL, MESSAGE, 0, &types_descriptor, 0),
	REP(18, r_u64, UINT64, NULL),
	REP(19, r_yes, BOOL, NULL),
	REP(20, r_colour, ENUM, &colour_descriptor),
	REP(21, r_text, STRING, NULL),
	REP(22, r_raw, BYTES, NULL),
	REP(23, r_inner, MESSAGE, &types_descriptor),
	REP(24, r_dbl, DOUBLE, NULL),
	REP(25, r_s32, SINT32, NULL),
	ONE(26, pick_u32, UINT32),
	ONE(27, pick_text, STRING),
};
static const ProtobufCIntRange field_ranges[] = { { 1, 0 }, { 0, 27 } };

const ProtobufCMessageDescriptor types_descriptor = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Types",
	.sizeof_message = sizeof(struct types),
	.n_fields = 27,
	.fields = fields,
	.n_field_ranges = 1,
	.field_ranges = field_ranges,
};

static struct types types_init(void)
{
	struct types t = { .base = PROTOBUF_C_MESSAGE_INIT(&types_descriptor) };

	return t;
}

#define SET(t, field, ...) ((t)->has_##field = 1, (t)->field = __VA_ARGS__)

static uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
static uint64_t r_u64[] = { 0, UINT64_MAX, 1ull << 63 };
static protobuf_c_boolean r_yes[] = { 1, 0, 1 };
static int r_colour[] = { 7, 0 };
static char *r_text[] = { (char *)"", (char *)"a\"b\\c\n\t\x01/",
			  (char *)"\xc3\xa4\xf0\x9f\x98\x80" };
static ProtobufCBinaryData r_raw[] = { { 0, NULL }, { 5, bytes } };
static double r_dbl[] = { 0.1, -1e300, 5e-324, 1.0 / 3 };
static int32_t r_s32[] = { INT32_MIN, -1, INT32_MAX };

static void fill(struct types *t)
{
	SET(t, i32, INT32_MIN);
	SET(t, s32, -1);
	SET(t, sf32, INT32_MAX);
	SET(t, u32, UINT32_MAX);
	SET(t, f32, 0x80000000u);
	SET(t, i64, INT64_MIN);
	SET(t, s64, -2);
	SET(t, sf64, INT64_MAX);
	SET(t, u64, UINT64_MAX);
	SET(t, f64, (1ull << 53) + 1); /* what a double cannot hold */
	SET(t, flt, 1.5f);
	SET(t, dbl, 0.1);
	SET(t, yes, 1);
	SET(t, colour, 7);
	SET(t, raw, (ProtobufCBinaryData){ sizeof(bytes), bytes });
	t->text = (char *)"caf\xc3\xa9 \"quoted\"";
	t->n_r_u64 = 3, t->r_u64 = r_u64;
	t->n_r_yes = 3, t->r_yes = r_yes;
	t->n_r_colour = 2, t->r_colour = r_colour;
	t->n_r_text = 3, t->r_text = r_text;
	t->n_r_raw = 2, t->r_raw = r_raw;
	t->n_r_dbl = 4, t->r_dbl = r_dbl;
	t->n_r_s32 = 3, t->r_s32 = r_s32;
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* Python reads the bytes, we wrote the text: both must say the same. */
static void ask_witness(const char *proto, const char *message, const ProtobufCMessage *m)
{
	char dir[] = "/tmp/json-walk-XXXXXX", data[64], text[64], command[512];
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(len + 1);
	json_object *o = pb_to_json(m);
	const char *json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);

	assert_non_null(mkdtemp(dir));
	snprintf(data, sizeof(data), "%s/data", dir);
	snprintf(text, sizeof(text), "%s/text", dir);
	snprintf(command, sizeof(command),
		 "/usr/bin/python3 tests/unit/json_witness.py %s %s %s %s", proto, message, data,
		 text);
	protobuf_c_message_pack(m, packed);
	write_file(data, packed, len);
	write_file(text, json, strlen(json));

	int status = system(command);

	unlink(data);
	unlink(text);
	rmdir(dir);
	free(packed);
	json_object_put(o);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

TEST(python_agrees_on_all_types)
{
	struct types t = types_init(), inner = types_init(), other = types_init();
	struct types *list[] = { &inner, &other };

	fill(&t);
	fill(&inner);
	inner.inner = &other;
	t.inner = &inner;
	t.n_r_inner = 2, t.r_inner = list;
	t.choice_case = 27, t.pick_text = (char *)"picked";
	other.choice_case = 26, other.pick_u32 = 0; /* set, though zero */
	ask_witness("tests/unit/json_types.proto", "Types", &t.base);
}

TEST(python_agrees_on_zeros)
{
	struct types t = types_init();

	/* A field that is present and zero is not absent. */
	SET(&t, i32, 0);
	SET(&t, u64, 0);
	SET(&t, yes, 0);
	SET(&t, colour, 0);
	SET(&t, dbl, 0);
	SET(&t, raw, (ProtobufCBinaryData){ 0, NULL });
	t.text = (char *)"";
	ask_witness("tests/unit/json_types.proto", "Types", &t.base);
	t = types_init();
	ask_witness("tests/unit/json_types.proto", "Types", &t.base);
	SET(&t, dbl, INFINITY);
	SET(&t, flt, -INFINITY);
	ask_witness("tests/unit/json_types.proto", "Types", &t.base);
	SET(&t, dbl, NAN);
	ask_witness("tests/unit/json_types.proto", "Types", &t.base);
}

TEST(python_agrees_on_a_snapshot)
{
	Stepdump__Snapshot s = STEPDUMP__SNAPSHOT__INIT;
	Stepdump__Target target = STEPDUMP__TARGET__INIT;
	Stepdump__VerdictRun run = STEPDUMP__VERDICT_RUN__INIT, *runs[] = { &run, &run };

	s.has_version = true; /* the default value, but written */
	target.state = STEPDUMP__TARGET_STATE__INFECTED;
	target.has_pid = true, target.pid = 4242;
	s.target = &target;
	run.start = 0xffffffffff600000, run.nr_pages = 1,
	run.verdict = STEPDUMP__VERDICT__FILE_CLEAN;
	s.runs = runs, s.n_runs = 2;
	ask_witness("proto/snapshot.proto", "stepdump.Snapshot", &s.base);
}

static json_object *member(json_object *o, const char *name)
{
	json_object *v = NULL;

	json_object_object_get_ex(o, name, &v);
	return v;
}

/* The same through json-c: text out, text in. */
TEST(reads_back_with_json_c)
{
	struct types t = types_init();

	fill(&t);

	json_object *o = pb_to_json(&t.base);
	json_object *back = json_tokener_parse(json_object_to_json_string(o));

	assert_non_null(back);
	assert_true(json_object_equal(o, back));
	assert_true(json_object_get_uint64(member(back, "u64")) == UINT64_MAX);
	assert_true(json_object_get_int64(member(back, "i64")) == INT64_MIN);
	assert_true(json_object_get_uint64(member(back, "f64")) == (1ull << 53) + 1);
	assert_true(json_object_get_double(member(back, "dbl")) == 0.1);
	assert_string_equal(json_object_get_string(member(back, "colour")), "dark-blue");
	assert_string_equal(json_object_get_string(member(back, "raw")), "00017f80ff");
	assert_string_equal(json_object_get_string(member(back, "text")), t.text);
	assert_int_equal(json_object_get_type(member(back, "yes")), json_type_boolean);
	assert_null(member(back, "inner")); /* absent optional fields are left out */
	assert_null(member(back, "pick_u32"));
	assert_int_equal(json_object_array_length(member(back, "r_inner")),
			 0); /* repeated: there */
	json_object_put(o);
	json_object_put(back);
}

TEST(what_json_has_no_word_for)
{
	struct types t = types_init();

	t.text = (char *)"a\xff\xc3(\xed\xa0\x80z";
	SET(&t, colour, 99);

	json_object *o = pb_to_json(&t.base);

	assert_string_equal(json_object_get_string(member(o, "text")),
			    "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
	assert_int_equal(json_object_get_type(member(o, "colour")), json_type_int);
	assert_int_equal(json_object_get_int(member(o, "colour")), 99);
	json_object_put(o);
}
