/* Strings and text; see text.h. */
#include "base/text.h"

#define NUMBER_MOST 20 /* characters */

static_assert(sizeof "18446744073709551615" - 1 <= NUMBER_MOST, "in decimal");
static_assert(sizeof "0xffffffffffffffff" - 1 <= NUMBER_MOST, "in hexadecimal");

void text_put_bytes(struct text *t, const char *bytes, size_t nbytes)
{
	for (size_t i = 0; i < nbytes && t->length < t->capacity; i++)
		t->buffer[t->length++] = bytes[i];
}

AT_START size_t text_length(const char *string)
{
	size_t n = 0;

	while (string[n])
		n++;
	return n;
}

AT_START bool text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

AT_START const char *text_after(const char *string, const char *with)
{
	while (*with && *string == *with)
		string++, with++;
	return *with ? NULL : string;
}

bool text_number(const char **string, size_t *ret_number)
{
	size_t n = 0;

	for (; **string >= '0' && **string <= '9'; ++*string)
		if (__builtin_mul_overflow(n, (size_t)10, &n) ||
		    __builtin_add_overflow(n, (size_t)(**string - '0'), &n))
			return false;
	*ret_number = n;
	return true;
}

void text_put(struct text *t, const char *string)
{
	text_put_bytes(t, string, text_length(string));
}

/* The digits of n, written so that they end before `end`; where they start. */
static char *digits_before(char *end, uint64_t n, unsigned base)
{
	do
		*--end = "0123456789abcdef"[n % base];
	while (n /= base);
	return end;
}

static void put_padding(struct text *t, size_t width, size_t length)
{
	for (; length < width; length++)
		text_put_bytes(t, " ", 1);
}

static void put_padded(struct text *t, const char *bytes, size_t nbytes, size_t width, bool left)
{
	if (!left)
		put_padding(t, width, nbytes);
	text_put_bytes(t, bytes, nbytes);
	if (left)
		put_padding(t, width, nbytes);
}

/* Prints one conversion, whose format begins after '%'; where the format goes on. */
static const char *put_conversion(struct text *t, const char *format, va_list *arguments)
{
	char buffer[NUMBER_MOST], *end = buffer + sizeof buffer, *start;
	bool left = *format == '-';
	size_t width = 0;
	const char *string;

	for (format += left; *format >= '0' && *format <= '9'; format++)
		width = width * 10 + (size_t)(*format - '0');
	switch (*format++) {
	case 's':
		string = va_arg(*arguments, const char *);
		string = string ? string : "(null)";
		put_padded(t, string, text_length(string), width, left);
		break;
	case 'z':
		start = digits_before(end, va_arg(*arguments, size_t), 10);
		put_padded(t, start, (size_t)(end - start), width, left);
		format++;
		break;
	case 'p':
		start = digits_before(end, (uintptr_t)va_arg(*arguments, const void *), 16);
		*--start = 'x';
		*--start = '0';
		put_padded(t, start, (size_t)(end - start), width, left);
		break;
	default:
		text_put_bytes(t, format - 1, 1);
	}
	return format;
}

void text_format(struct text *t, const char *format, va_list arguments)
{
	va_list rest;

	va_copy(rest, arguments);
	while (*format)
		if (*format == '%') {
			format = put_conversion(t, format + 1, &rest);
		} else {
			text_put_bytes(t, format++, 1);
		}
	va_end(rest);
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_format(t, format, arguments);
	va_end(arguments);
}
