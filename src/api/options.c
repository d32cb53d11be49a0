/* LOAM_OPTIONS: the settings in it, what is said of slips, help and confirm; see options.h. */
#include "api/options.h"

#include "api/option_hints.h"
#include "api/option_values.h"
#include "api/options_table.h"
#include "api/seal.h"
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

/* What is said of a name that is no option's. */
static COLD void put_unknown(struct text *t, struct word name, const char *source)
{
	char buffer[WORD_MOST + 1];
	struct word other, same;
	const struct option *near;

	text_printf(t, "%s: no option '%s'", source, word_shown(name, buffer));
	if (option_of_others(name, &other, &same)) {
		text_printf(t, ", which is %s's; here", word_shown(other, buffer));
		if (same.length)
			text_printf(t, ": %s", word_shown(same, buffer));
		else
			text_put(t, " is nothing like it");
		return;
	}
	near = option_near(name);
	if (near)
		text_printf(t, "; did you mean '%s'?", near->name);
	else
		text_put(t, "; " VARIABLE "=help names them all");
}

static COLD void complain_of_option(struct word name)
{
	struct option_line line;

	put_unknown(option_line_begin(&line), name, VARIABLE);
	option_line_say(&line);
}

/* What an option that stands alone means; false: nothing. */
static bool value_alone(const struct option *o, size_t *ret_value)
{
	*ret_value = o->value == &options.prof ? PROF_ALONE : 1;
	return o->type == FLAG || o->value == &options.prof;
}

static void read_setting(struct word name, struct word value, bool has_value)
{
	const struct option *o = option_find(name);
	size_t parsed;

	if (!name.length && !has_value)
		return;
	if (!o)
		complain_of_option(name);
	else if (has_value ? option_parse(o, value, &parsed) : value_alone(o, &parsed))
		option_set(o, parsed, VARIABLE);
	else
		option_complain(o, value, VARIABLE);
}

/* Cuts "name=value" in two at the first '='; whether there is one. */
static bool cut(struct word setting, struct word *ret_name, struct word *ret_value)
{
	struct word name = {setting.start, 0};
	bool has_value;

	while (name.length < setting.length && name.start[name.length] != '=')
		name.length++;
	has_value = name.length < setting.length;
	*ret_name = trimmed(name);
	*ret_value = trimmed((struct word){name.start + name.length + has_value,
					   setting.length - name.length - has_value});
	return has_value;
}

bool options_set(const char *setting, struct text *ret_said)
{
	static const char source[] = "set";
	struct word name, value;
	bool has_value = cut(word_of(setting), &name, &value);
	const struct option *o = option_find(name);
	size_t parsed = 1, was;

	if (!o) {
		put_unknown(ret_said, name, source);
	} else if (o->when == START) {
		text_printf(ret_said,
			    "%s: %s holds from the start of a process on: start it with " VARIABLE,
			    source, o->name);
	} else if (has_value ? !option_parse(o, value, &parsed) : o->type != FLAG) {
		option_put_complaint(ret_said, o, value, source);
	} else if (!seal_open_options()) {
		text_printf(ret_said, "%s: there is no memory to make the options writable",
			    source);
	} else {
		was = *o->value;
		option_set(o, parsed, "loam ctl");
		text_printf(ret_said, "%s=", o->name);
		option_put_value(ret_said, o, parsed);
		text_put(ret_said, "; it was ");
		option_put_value(ret_said, o, was);
		return true;
	}
	return false;
}

/* The settings between commas and colons. */
static void read_settings(const char *c)
{
	for (;; c++) {
		struct word setting = {c, 0}, name, value;
		bool has_value;

		for (; *c && *c != ',' && *c != ':'; c++)
			setting.length++;
		has_value = cut(setting, &name, &value);
		read_setting(name, value, has_value);
		if (!*c)
			return;
	}
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

		if (!text_after(*entry, "LOAM_") || text_after(*entry, VARIABLE "="))
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

/* What harden=2 and above decide, whatever was set: every class is promoted at once, since what
   slabs hold is checked best, and huge objects have fences, which are not laid in huge pages. */
static COLD void settle_hardened(void)
{
	option_set(option_find(word_of("promote_after")), 1, "harden");
	if (options.hugetlb)
		option_set(option_find(word_of("hugetlb")), 0, "harden");
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
	if (options.harden >= 2)
		settle_hardened();
	if (options.verbose)
		options_say_meaningless();
	for (unsigned i = 0; options.help && i < option_count; i++)
		say_help(&option_table[i]);
	for (unsigned i = 0; options.confirm && i < option_count; i++)
		say_value(&option_table[i]);
}
