/* LOAM_OPTIONS: the parser, its complaints, help and confirm; see options.h. */
#include "api/options.h"

#include "api/option_hints.h"
#include "api/options_table.h"
#include "base/report.h"
#include "base/text.h"
#include "os/os.h"

#define VARIABLE  "LOAM_OPTIONS"
#define WORD_MOST 40 /* bytes of a name that are shown */

const struct option option_table[] = {
#define OPTION(type, name, default_value, least, most, what)                                       \
	{#name, what, &options.name, default_value, least, most, type},
#include "base/options.def"
#undef OPTION
};

const unsigned option_count = sizeof option_table / sizeof option_table[0];

/* Where the value of each row comes from. */
static const char *sources[sizeof option_table / sizeof option_table[0]];

/* --- words --------------------------------------------------------------------------------- */

struct word word_of(const char *string)
{
	struct word w = {string, 0};

	while (string[w.length])
		w.length++;
	return w;
}

bool word_is(struct word w, const char *string)
{
	size_t i = 0;

	while (i < w.length && string[i] && lower(w.start[i]) == string[i])
		i++;
	return i == w.length && !string[i];
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct word trimmed(struct word w)
{
	while (w.length && is_blank(*w.start))
		w.start++, w.length--;
	while (w.length && is_blank(w.start[w.length - 1]))
		w.length--;
	return w;
}

/* A word as a string of at most WORD_MOST bytes, for messages. */
static COLD const char *shown(struct word w, char buffer[WORD_MOST + 1])
{
	size_t i = 0;

	for (; i < w.length && i < WORD_MOST; i++)
		buffer[i] = w.start[i] >= ' ' && w.start[i] <= '~' ? w.start[i] : '?';
	buffer[i] = '\0';
	return buffer;
}

/* --- the table ----------------------------------------------------------------------------- */

const struct option *option_find(struct word name)
{
	for (unsigned i = 0; i < option_count; i++)
		if (word_is(name, option_table[i].name))
			return &option_table[i];
	return NULL;
}

void option_set(const struct option *o, size_t value, const char *source)
{
	store_relaxed(o->value, value);
	sources[o - option_table] = source;
}

/* --- values -------------------------------------------------------------------------------- */

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

/* Copies a word to where it stays. */
static bool parse_text(struct word w, size_t *ret_value)
{
	static char texts[1024];
	static size_t used;

	if (!w.length || w.length >= sizeof texts - used)
		return false;
	*ret_value = (size_t)&texts[used];
	for (size_t i = 0; i < w.length; i++)
		texts[used++] = w.start[i];
	texts[used++] = '\0';
	return true;
}

static bool parse_value(const struct option *o, struct word w, size_t *ret_value)
{
	switch (o->type) {
	case FLAG:
		return parse_flag(w, ret_value);
	case WORD:
		return parse_word(o, w, ret_value);
	case TEXT:
		return parse_text(w, ret_value);
	default:
		return parse_number(w, o->type == SIZE, ret_value) && *ret_value >= o->least &&
		       *ret_value <= o->most;
	}
}

/* --- text of values ------------------------------------------------------------------------ */

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

static COLD void put_value(struct text *t, const struct option *o, size_t value)
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
		put_size(t, value);
		break;
	case TEXT:
		text_put(t, value ? (const char *)value : "none");
		break;
	default:
		text_put_number(t, value);
	}
}

static COLD void put_range(struct text *t, const struct option *o)
{
	switch (o->type) {
	case FLAG:
		text_put(t, "yes or no");
		break;
	case WORD:
		text_printf(t, "one of %s", words_of(o));
		break;
	case TEXT:
		text_put(t, "a name of at most 1000 bytes");
		break;
	default:
		text_put(t, o->type == SIZE ? "a size from " : "a number from ");
		put_value(t, o, o->least);
		text_put(t, " to ");
		put_value(t, o, o->most);
	}
}

struct line {
	struct text text;
	char buffer[1200];
};

static struct text *line_begin(struct line *line)
{
	line->text = (struct text){.buffer = line->buffer, .capacity = sizeof line->buffer - 1};
	return &line->text;
}

static void line_say(struct line *line)
{
	line->buffer[line->text.length] = '\0';
	report_line("%s", line->buffer);
}

void option_complain(const struct option *o, struct word value, const char *source)
{
	char buffer[WORD_MOST + 1];
	struct line line;
	struct text *t = line_begin(&line);

	text_printf(t, "%s: %s=%s is not ", source, o->name, shown(value, buffer));
	put_range(t, o);
	text_put(t, "; ");
	put_value(t, o, *o->value);
	text_put(t, " stands");
	line_say(&line);
}

/* --- LOAM_OPTIONS -------------------------------------------------------------------------- */

static COLD void complain_of_option(struct word name)
{
	char buffer[WORD_MOST + 1], whose[WORD_MOST + 1], here[WORD_MOST + 1];
	struct word other, same;
	const struct option *near;

	shown(name, buffer);
	if (option_of_others(name, &other, &same)) {
		shown(other, whose);
		if (same.length)
			report_line(VARIABLE ": no option '%s', which is %s's; here: %s", buffer,
				    whose, shown(same, here));
		else
			report_line(VARIABLE ": no option '%s', which is %s's; here is nothing like it",
				    buffer, whose);
		return;
	}
	near = option_near(name);
	if (near)
		report_line(VARIABLE ": no option '%s'; did you mean '%s'?", buffer, near->name);
	else
		report_line(VARIABLE ": no option '%s'; " VARIABLE "=help names them all", buffer);
}

static void read_setting(struct word name, struct word value, bool has_value)
{
	const struct option *o = option_find(name);
	size_t parsed = 1;

	if (!name.length && !has_value)
		return;
	if (!o)
		complain_of_option(name);
	else if (has_value ? parse_value(o, value, &parsed) : o->type == FLAG)
		option_set(o, parsed, VARIABLE);
	else
		option_complain(o, value, VARIABLE);
}

/* The settings between commas and colons. */
static void read_settings(const char *c)
{
	for (;; c++) {
		struct word name = {c, 0}, value = {c, 0};
		bool has_value = false;

		for (; *c && *c != ',' && *c != ':'; c++) {
			if (has_value) {
				value.length++;
			} else if (*c == '=') {
				has_value = true;
				value.start = c + 1;
			} else {
				name.length++;
			}
		}
		read_setting(trimmed(name), trimmed(value), has_value);
		if (!*c)
			return;
	}
}

static bool begins(const char *string, const char *with)
{
	while (*with && *string == *with)
		string++, with++;
	return !*with;
}

/* A variable "LOAM_<name>" that nothing reads: a slip if its name is near an option's or near OPTIONS,
   else another product's. */
static COLD void complain_of_variable(struct word name)
{
	char buffer[WORD_MOST + 1];

	shown(name, buffer);
	if (word_is_near(name, word_of("options"))) {
		report_line("nothing reads the variable 'LOAM_%s'; did you mean '" VARIABLE "'?", buffer);
		return;
	}
	for (unsigned i = 0; i < option_count; i++)
		if (word_is_near(name, word_of(option_table[i].name))) {
			report_line("nothing reads the variable 'LOAM_%s'; did you mean '" VARIABLE
				    "=%s'?",
				    buffer, option_table[i].name);
			return;
		}
}

static COLD void complain_of_variables(void)
{
	const char *const *entry = os_environment();

	for (; entry && *entry; entry++) {
		struct word name = {*entry + 5, 0};

		if (!begins(*entry, "LOAM_") || begins(*entry, VARIABLE "=") ||
		    begins(*entry, "LOAM_SO=") || begins(*entry, "LOAM_TEST_"))
			continue;
		while (name.start[name.length] && name.start[name.length] != '=')
			name.length++;
		complain_of_variable(name);
	}
}

/* --- help and confirm ---------------------------------------------------------------------- */

/* Bytes of a row's text, without the words at its end: the range names them. */
static size_t what_length(const struct option *o)
{
	return word_of(o->what).length - (o->type == WORD ? word_of(words_of(o)).length + 2 : 0);
}

static COLD void say_help(const struct option *o)
{
	struct line line;
	struct text *t = line_begin(&line);

	text_printf(t, "%-15s ", o->name);
	text_put_bytes(t, o->what, what_length(o));
	text_put(t, " (");
	put_range(t, o);
	text_put(t, "; default ");
	put_value(t, o, o->default_value);
	text_put(t, ")");
	line_say(&line);
}

static COLD void say_value(const struct option *o)
{
	const char *source = sources[o - option_table];
	struct line line;
	struct text *t = line_begin(&line);

	text_printf(t, "%s=", o->name);
	put_value(t, o, *o->value);
	text_printf(t, " (%s)", source ? source : "default");
	line_say(&line);
}

void options_read(void)
{
	const char *settings;

	if (os_secure())
		return;
	options_read_glibc();
	settings = os_getenv(VARIABLE);
	if (settings) {
		read_settings(settings);
		complain_of_variables();
	}
	if (options.verbose)
		options_say_meaningless();
	for (unsigned i = 0; options.help && i < option_count; i++)
		say_help(&option_table[i]);
	for (unsigned i = 0; options.confirm && i < option_count; i++)
		say_value(&option_table[i]);
}
