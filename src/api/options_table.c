/* The rows of options.def, and where each value comes from; see options_table.h. */
#include "api/options_table.h"

#include "os/check.h"

const struct option option_table[] = {
#define OPTION(type, name, default_value, least, most, when, what)                                 \
	{#name, what, &options.name, default_value, least, most, type, when},
#include "base/options.def"
#undef OPTION
};

const unsigned option_count = sizeof option_table / sizeof option_table[0];

/* Where the value of each row comes from. */
static const char *sources[sizeof option_table / sizeof option_table[0]];

struct word word_of(const char *string)
{
	return (struct word){string, text_length(string)};
}

bool word_is(struct word w, const char *string)
{
	size_t i = 0;

	while (i < w.length && string[i] && lower(w.start[i]) == string[i])
		i++;
	return i == w.length && !string[i];
}

const char *word_shown(struct word w, char buffer[WORD_MOST + 1])
{
	size_t i = 0;

	for (; i < w.length && i < WORD_MOST; i++)
		buffer[i] = w.start[i] >= ' ' && w.start[i] <= '~' ? w.start[i] : '?';
	buffer[i] = '\0';
	return buffer;
}

const struct option *option_find(struct word name)
{
	for (unsigned i = 0; i < option_count; i++)
		if (word_is(name, option_table[i].name))
			return &option_table[i];
	return NULL;
}

void option_set(const struct option *o, size_t value, const char *source)
{
	ASSERT((size_t)(o - option_table) < option_count && source);
	store_relaxed(o->value, value);
	sources[o - option_table] = source;
}

const char *option_source(const struct option *o)
{
	return sources[o - option_table];
}
