/* Values of options: read from a word, and written into messages. */
#pragma once

#include "api/options_table.h"
#include "base/text.h"

/* The value that a word stands for; false, if the row does not take it. */
bool option_parse(const struct option *o, struct word w, size_t *ret_value);

/* A value, or all that the row takes, as text. */
COLD void option_put_value(struct text *t, const struct option *o, size_t value);
COLD void option_put_range(struct text *t, const struct option *o);

/* That source gave the row a value which it does not take, and which one stands. */
COLD void option_put_complaint(struct text *t, const struct option *o, struct word value,
			       const char *source);

/* Bytes of a row's text, without the words at its end: the range names them. */
COLD size_t option_what_length(const struct option *o);

/* A line under construction, long enough for any row. */
struct option_line {
	struct text text;
	char buffer[1200];
};

struct text *option_line_begin(struct option_line *line);
void option_line_say(struct option_line *line);
