/* LOAM_OPTIONS: the settings in it, what is said of slips, help and confirm; see options.h. */
#include "api/options.h"

#include "api/option_hints.h"
#include "api/option_values.h"
#include "api/options_table.h"
#include "os/line.h"
#include "base/text.h"
#include "os/os.h"

#define VARIABLE "LOAM_OPTIONS"

/* --- words --------------------------------------------------------------------------------- */

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

/* --- LOAM_OPTIONS -------------------------------------------------------------------------- */

static COLD void complain_of_option(struct word name)
{
	char buffer[WORD_MOST + 1], whose[WORD_MOST + 1], here[WORD_MOST + 1];
	struct word other, same;
	const struct option *near;

	word_shown(name, buffer);
	if (option_of_others(name, &other, &same)) {
		word_shown(other, whose);
		if (same.length)
			line_say(VARIABLE ": no option '%s', which is %s's; here: %s", buffer,
				 whose, word_shown(same, here));
		else
			line_say(VARIABLE
				 ": no option '%s', which is %s's; here is nothing like it",
				 buffer, whose);
		return;
	}
	near = option_near(name);
	if (near)
		line_say(VARIABLE ": no option '%s'; did you mean '%s'?", buffer, near->name);
	else
		line_say(VARIABLE ": no option '%s'; " VARIABLE "=help names them all", buffer);
}

static void read_setting(struct word name, struct word value, bool has_value)
{
	const struct option *o = option_find(name);
	size_t parsed = 1;

	if (!name.length && !has_value)
		return;
	if (!o)
		complain_of_option(name);
	else if (has_value ? option_parse(o, value, &parsed) : o->type == FLAG)
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

/* A variable "LOAM_<name>" that nothing reads: a slip if its name is near an option's or near
   OPTIONS, else another product's. */
static COLD void complain_of_variable(struct word name)
{
	char buffer[WORD_MOST + 1];

	word_shown(name, buffer);
	if (word_is_near(name, word_of("options"))) {
		line_say("nothing reads the variable 'LOAM_%s'; did you mean '" VARIABLE "'?",
			 buffer);
		return;
	}
	for (unsigned i = 0; i < option_count; i++)
		if (word_is_near(name, word_of(option_table[i].name))) {
			line_say("nothing reads the variable 'LOAM_%s'; did you mean '" VARIABLE
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

static COLD void say_help(const struct option *o)
{
	struct option_line line;
	struct text *t = option_line_begin(&line);

	text_printf(t, "%-15s ", o->name);
	text_put_bytes(t, o->what, option_what_length(o));
	text_put(t, " (");
	option_put_range(t, o);
	text_put(t, "; default ");
	option_put_value(t, o, o->default_value);
	text_put(t, ")");
	option_line_say(&line);
}

static COLD void say_value(const struct option *o)
{
	const char *source = option_source(o);
	struct option_line line;
	struct text *t = option_line_begin(&line);

	text_printf(t, "%s=", o->name);
	option_put_value(t, o, *o->value);
	text_printf(t, " (%s)", source ? source : "default");
	option_line_say(&line);
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
