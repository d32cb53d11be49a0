/* Values of options, from words and as words; see option_values.h. */
#include "api/option_values.h"

#include "api/option_hints.h"
#include "os/check.h"
#include "os/line.h"

#define TEXT_MOST 1000 /* bytes of a name */

/* The power of 1,024 that a unit stands for: "", K, KB, KiB, and so with M and G; false: none. */
static bool parse_unit(struct word unit, unsigned *ret_shift)
{
	const char *letters = "kmg";
	char first = unit.length ? lower(*unit.start) : '\0';

	*ret_shift = 0;
	if (!first)
		return true;
	for (unsigned i = 0; letters[i]; i++)
		if (letters[i] == first)
			*ret_shift = 10 * (i + 1);
	unit.start++, unit.length--;
	return *ret_shift && (!unit.length || word_is(unit, "b") || word_is(unit, "ib"));
}

static bool parse_number(struct word w, bool with_unit, size_t *ret_value)
{
	size_t value = 0;
	unsigned shift;

	if (!w.length || *w.start < '0' || *w.start > '9')
		return false;
	for (; w.length && *w.start >= '0' && *w.start <= '9'; w.start++, w.length--)
		if (__builtin_mul_overflow(value, (size_t)10, &value) ||
		    __builtin_add_overflow(value, (size_t)(*w.start - '0'), &value))
			return false;
	if (w.length && !with_unit)
		return false;
	if (!parse_unit(w, &shift) || value > SIZE_MAX >> shift)
		return false;
	*ret_value = value << shift;
	return true;
}

static bool parse_flag(struct word w, size_t *ret_value)
{
	*ret_value = word_is(w, "1") || word_is(w, "yes") || word_is(w, "on") || word_is(w, "true");
	return *ret_value || word_is(w, "0") || word_is(w, "no") || word_is(w, "off") ||
	       word_is(w, "false");
}

/* What follows the last ": " of a row's text: "never|exit". */
static const char *words_of(const struct option *o)
{
	const char *words = o->what;

	for (const char *c = o->what; *c; c++)
		if (c[0] == ':' && c[1] == ' ')
			words = c + 2;
	return words;
}

static bool parse_word(const struct option *o, struct word w, size_t *ret_value)
{
	const char *c = words_of(o);

	ASSERT(*c); /* a row of words has some */
	for (size_t n = 0;; n++) {
		struct word one = {c, 0};

		while (*c && *c != '|')
			c++, one.length++;
		if (one.length == w.length && word_distance(w, one) == 0) {
			*ret_value = n;
			return true;
		}
		if (!*c++)
			return false;
	}
}

/* Copies a word to where it stays: in pages that a process without names does not touch
   (preload/cold.ld). */
static bool parse_text(struct word w, size_t *ret_value)
{
	static char texts[4 * (TEXT_MOST + 1)]; /* each option of names once */
	static size_t used;

	if (!w.length || w.length > TEXT_MOST || w.length >= sizeof texts - used)
		return false;
	*ret_value = (size_t)&texts[used];
	for (size_t i = 0; i < w.length; i++)
		texts[used++] = w.start[i];
	texts[used++] = '\0';
	return true;
}

bool option_parse(const struct option *o, struct word w, size_t *ret_value)
{
	switch (o->type) {
	case FLAG:
		return parse_flag(w, ret_value);
	case WORD:
		return parse_word(o, w, ret_value);
	case TEXT:
		return parse_text(w, ret_value);
	default:
		if (o->type == LIMIT && word_is(w, "auto")) {
			*ret_value = LIMIT_AUTO;
			return true;
		}
		return parse_number(w, o->type != COUNT, ret_value) && *ret_value >= o->least &&
		       *ret_value <= o->most;
	}
}

/* A size in the largest unit that leaves no rest. */
static void put_size(struct text *t, size_t n)
{
	const char *unit = "";

	if (n && n % GIB == 0)
		n /= GIB, unit = "G";
	else if (n && n % MIB == 0)
		n /= MIB, unit = "M";
	else if (n && n % KIB == 0)
		n /= KIB, unit = "K";
	text_printf(t, "%zu%s", n, unit);
}

void option_put_value(struct text *t, const struct option *o, size_t value)
{
	const char *c = words_of(o);

	switch (o->type) {
	case FLAG:
		text_put(t, value ? "yes" : "no");
		break;
	case WORD:
		for (; value; c++)
			value -= *c == '|';
		for (; *c && *c != '|'; c++)
			text_put_bytes(t, c, 1);
		break;
	case SIZE:
	case LIMIT:
		if (o->type == LIMIT && value == LIMIT_AUTO)
			text_put(t, "auto");
		else
			put_size(t, value);
		break;
	case TEXT:
		text_put(t, value ? (const char *)value : "none");
		break;
	default:
		text_printf(t, "%zu", value);
	}
}

void option_put_range(struct text *t, const struct option *o)
{
	switch (o->type) {
	case FLAG:
		text_put(t, "yes or no");
		break;
	case WORD:
		text_printf(t, "one of %s", words_of(o));
		break;
	case TEXT:
		text_printf(t, "a name of at most %zu bytes", (size_t)TEXT_MOST);
		break;
	default:
		text_put(t, o->type == COUNT ? "a number from " : "a size from ");
		option_put_value(t, o, o->least);
		text_put(t, " to ");
		option_put_value(t, o, o->most);
		text_put(t, o->type == LIMIT ? " or auto" : "");
	}
}

struct text *option_line_begin(struct option_line *line)
{
	line->text = (struct text){.buffer = line->buffer, .capacity = sizeof line->buffer - 1};
	return &line->text;
}

void option_line_say(struct option_line *line)
{
	ASSERT(line->text.length < sizeof line->buffer);
	line->buffer[line->text.length] = '\0';
	line_say("%s", line->buffer);
}

void option_put_complaint(struct text *t, const struct option *o, struct word value,
			  const char *source)
{
	char buffer[WORD_MOST + 1];

	ASSERT(source && o->value);
	text_printf(t, "%s: %s=%s is not ", source, o->name, word_shown(value, buffer));
	option_put_range(t, o);
	text_put(t, "; it stays ");
	option_put_value(t, o, *o->value);
}

void option_complain(const struct option *o, struct word value, const char *source)
{
	struct option_line line;

	option_put_complaint(option_line_begin(&line), o, value, source);
	option_line_say(&line);
}

size_t option_what_length(const struct option *o)
{
	ASSERT(o->type != WORD || words_of(o) != o->what); /* the words stand behind ": " */
	return word_of(o->what).length - (o->type == WORD ? word_of(words_of(o)).length + 2 : 0);
}
