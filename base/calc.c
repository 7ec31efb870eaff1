/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/calc.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 64

enum op {
	OP_OR,
	OP_AND,
	OP_BIT_OR,
	OP_XOR,
	OP_BIT_AND,
	OP_EQ,
	OP_NE,
	OP_LE,
	OP_GE,
	OP_LT,
	OP_GT,
	OP_LEFT,
	OP_RIGHT,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	NR_OPS
};

/* By C's precedence; longer ones before those that they begin with. */
static const struct {
	const char *text;
	enum op op;
	unsigned level;
} calc_ops[] = {
	{ "||", OP_OR, 0 },    { "or", OP_OR, 0 },    { "&&", OP_AND, 1 },    { "and", OP_AND, 1 },
	{ "<<", OP_LEFT, 7 },  { ">>", OP_RIGHT, 7 }, { "==", OP_EQ, 5 },     { "!=", OP_NE, 5 },
	{ "<=", OP_LE, 6 },    { ">=", OP_GE, 6 },    { "<", OP_LT, 6 },      { ">", OP_GT, 6 },
	{ "|", OP_BIT_OR, 2 }, { "^", OP_XOR, 3 },    { "&", OP_BIT_AND, 4 }, { "+", OP_ADD, 8 },
	{ "-", OP_SUB, 8 },    { "*", OP_MUL, 9 },    { "/", OP_DIV, 9 },     { "%", OP_MOD, 9 },
};
#define NR_CALC_OPS (sizeof(calc_ops) / sizeof(calc_ops[0]))
#define NR_LEVELS 10

struct err *calc_bad(const struct calc *c, const char *what)
{
	return err_hint(
		err_new(ERR_USAGE, "\"%s\": %s%s%s", c->text, what, *c->at ? " at " : "", c->at),
		"numbers, + - * / %% << >> & | ^ ~ == != < <= > >= && || ! ( ), %s", c->hint);
}

static void calc_blanks(struct calc *c)
{
	c->at += strspn(c->at, " \t");
}

size_t calc_name_len(const struct calc *c)
{
	return strspn(c->at, "abcdefghijklmnopqrstuvwxyz_0123456789");
}

bool calc_take(struct calc *c, const char *word)
{
	size_t len = strlen(word);

	calc_blanks(c);
	if (strncmp(c->at, word, len) ||
	    (isalpha((unsigned char)*word) &&
	     (isalnum((unsigned char)c->at[len]) || c->at[len] == '_')))
		return false;
	c->at += len;
	return true;
}

static struct err *calc_number_at(struct calc *c, struct calc_value *ret)
{
	char *end;

	errno = 0;
	*ret = calc_number((int64_t)strtoull(c->at, &end, 0));
	if (errno || isalnum((unsigned char)*end))
		return calc_bad(c, "not a number");
	c->at = end;
	return NULL;
}

static struct err *calc_primary(struct calc *c, struct calc_value *ret);

static struct err *calc_unary(struct calc *c, char op, struct calc_value *ret)
{
	c->depth++;
	TRY(calc_primary(c, ret));
	c->depth--;
	if (ret->kind != CALC_NUMBER) {
		*ret = (struct calc_value){ .kind = CALC_ABSENT };
		return NULL;
	}
	*ret = calc_number(op == '!' ? !ret->number :
			   op == '~' ? ~ret->number :
			   op == '-' ? (int64_t)(0 - (uint64_t)ret->number) :
				       ret->number);
	return NULL;
}

static struct err *calc_primary(struct calc *c, struct calc_value *ret)
{
	static const char *const unary[] = { "!", "-", "~", "+", "not" };

	calc_blanks(c);
	if (c->depth > MAX_NESTING)
		return calc_bad(c, "nested too deep");
	if (calc_take(c, "(")) {
		c->depth++;
		TRY(calc_inner(c, ret));
		c->depth--;
		return calc_take(c, ")") ? NULL : calc_bad(c, "no )");
	}
	for (size_t i = 0; i < sizeof(unary) / sizeof(unary[0]); i++)
		if (calc_take(c, unary[i]))
			return calc_unary(c, *unary[i] == 'n' ? '!' : *unary[i], ret);
	if (isdigit((unsigned char)*c->at))
		return calc_number_at(c, ret);
	if (isalpha((unsigned char)*c->at) || *c->at == '$')
		return c->name(c, ret);
	return calc_bad(c, *c->at ? "no value" : "it ends too soon");
}

/* The operator at c->at if it is of this level, which is stepped over then; else NR_OPS. */
static enum op calc_operator(struct calc *c, unsigned level)
{
	const char *before = c->at;

	for (size_t i = 0; i < NR_CALC_OPS; i++) {
		if (!calc_take(c, calc_ops[i].text))
			continue;
		if (calc_ops[i].level == level)
			return calc_ops[i].op;
		c->at = before;
		break;
	}
	return NR_OPS;
}

static int64_t calc_numbers(enum op op, int64_t a, int64_t b)
{
	uint64_t l = (uint64_t)a, r = (uint64_t)b;

	switch (op) {
	case OP_BIT_OR:
		return a | b;
	case OP_XOR:
		return a ^ b;
	case OP_BIT_AND:
		return a & b;
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_LE:
		return a <= b;
	case OP_GE:
		return a >= b;
	case OP_LT:
		return a < b;
	case OP_GT:
		return a > b;
	case OP_LEFT:
		return r < 64 ? (int64_t)(l << r) : 0;
	case OP_RIGHT:
		return a >> (r < 64 ? r : 63);
	case OP_ADD:
		return (int64_t)(l + r);
	case OP_SUB:
		return (int64_t)(l - r);
	case OP_MUL:
		return (int64_t)(l * r);
	case OP_DIV: /* INT64_MIN / -1 traps */
		return b == -1 ? (int64_t)(0 - l) : a / b;
	case OP_MOD:
		return b == -1 ? 0 : a % b;
	default:
		return 0;
	}
}

static struct err *calc_apply(struct calc *c, enum op op, struct calc_value *a,
			      const struct calc_value *b)
{
	if (op == OP_OR || op == OP_AND) {
		*a = calc_number(op == OP_OR ? calc_true(a) || calc_true(b) :
					       calc_true(a) && calc_true(b));
	} else if (a->kind == CALC_TEXT && b->kind == CALC_TEXT && (op == OP_EQ || op == OP_NE)) {
		*a = calc_number((strcmp(a->text, b->text) == 0) == (op == OP_EQ));
	} else if (a->kind != CALC_NUMBER || b->kind != CALC_NUMBER) {
		*a = (struct calc_value){ .kind = CALC_ABSENT };
	} else if ((op == OP_DIV || op == OP_MOD) && !b->number) {
		if (!c->decided)
			return calc_bad(c, "division by zero");
	} else {
		*a = calc_number(calc_numbers(op, a->number, b->number));
	}
	return NULL;
}

static struct err *calc_level(struct calc *c, unsigned level, struct calc_value *ret)
{
	struct calc_value right;
	enum op op;

	if (level == NR_LEVELS)
		return calc_primary(c, ret);
	TRY(calc_level(c, level + 1, ret));
	while ((op = calc_operator(c, level)) != NR_OPS) {
		bool decided = (op == OP_OR && calc_true(ret)) || (op == OP_AND && !calc_true(ret));

		c->decided += decided;
		TRY(calc_level(c, level + 1, &right));
		c->decided -= decided;
		TRY(calc_apply(c, op, ret, &right));
	}
	return NULL;
}

struct err *calc_inner(struct calc *c, struct calc_value *ret)
{
	return calc_level(c, 0, ret);
}

struct err *calc_eval(struct calc *c, struct calc_value *ret)
{
	c->at = c->text;
	c->depth = c->decided = 0;
	TRY(calc_inner(c, ret));
	calc_blanks(c);
	return *c->at ? calc_bad(c, "no operator") : NULL;
}
