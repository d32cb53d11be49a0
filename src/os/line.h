/* A line "loam: ..." on standard error, in one piece, without allocation or lock; cut at LINE_MOST
   bytes. */
#pragma once

#include "base/compiler.h"
#include "base/text.h"

#define LINE_MOST 500

struct line {
	struct text text;
	char buffer[LINE_MOST];
};

/* Begins with the library's name; what follows is put to line->text, and line_end() writes it. */
void line_begin(struct line *line);
void line_end(struct line *line);

/* A line at once; the format is that of text.h. */
void line_say(const char *format, ...) PRINTF(1, 2);
