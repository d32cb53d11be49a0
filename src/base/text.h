/* Strings, and text put together in a buffer of the caller's, without libc.  A text that is full
   drops the rest. */
#pragma once

#include "base/compiler.h"

#include <stdarg.h>

struct text {
	char *buffer;
	size_t capacity; /* bytes of buffer */
	size_t length;	 /* bytes written; no end mark is kept */
};

/* A part of a string. */
struct word {
	const char *start;
	size_t length;
};

size_t text_length(const char *string);

bool text_equal(const char *a, const char *b);

/* What follows `with`, if the string begins so; else NULL. */
const char *text_after(const char *string, const char *with);

/* Reads the decimal number that *string begins with, 0 where there is none, and goes on behind it;
   false where it has more digits than a size. */
bool text_number(const char **string, size_t *ret_number);

void text_put(struct text *t, const char *string);
void text_put_bytes(struct text *t, const char *bytes, size_t nbytes);

/* The format knows %s, %zu, %p and %%, and a width for %zu and %s (as %8zu, %-8s). */
void text_format(struct text *t, const char *format, va_list arguments);
void text_printf(struct text *t, const char *format, ...) PRINTF(2, 3);
