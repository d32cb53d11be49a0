/* The rows of options.def as data, and how a value gets into one: for the readers of options. */
#pragma once

#include "base/options.h"
#include "base/text.h"

enum option_type { SIZE, COUNT, LIMIT, FLAG, WORD, TEXT };
enum option_when { START, ANYTIME };

struct option {
	const char *name, *what;
	size_t *value; /* in struct options */
	size_t default_value, least, most;
	enum option_type type;
	enum option_when when;
};

/* All rows, in the order of options.def. */
extern HIDDEN const struct option option_table[];
extern HIDDEN const unsigned option_count;

static inline char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

struct word word_of(const char *string);
bool word_is(struct word w, const char *string);

#define WORD_MOST 40 /* bytes of a name that are shown or compared */

/* A word as a string of at most WORD_MOST bytes, for messages. */
COLD const char *word_shown(struct word w, char buffer[WORD_MOST + 1]);

/* The row of that name, or NULL. */
const struct option *option_find(struct word name);

/* Puts a value into force; source names where it comes from, for `confirm`. */
void option_set(const struct option *o, size_t value, const char *source);

/* Where the row's value comes from; NULL: it is the default. */
COLD const char *option_source(const struct option *o);

/* Says in one line that source gave the row a value it does not take, and which one stands. */
COLD void option_complain(const struct option *o, struct word value, const char *source);

/* Reads what users have set for glibc: GLIBC_TUNABLES and MALLOC_*. */
void options_read_glibc(void);

/* Names once, under `verbose`, what was set for glibc and has no meaning here. */
COLD void options_say_meaningless(void);
