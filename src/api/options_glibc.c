/*
 * What users have set for glibc's malloc, obeyed: GLIBC_TUNABLES, the MALLOC_*
 * variables, mallopt(3).  What loam has no thing for is said once under
 * `verbose`.
 */
#include "api/options.h"
#include "api/options_table.h"
#include "api/start.h"
#include "cache/cache.h"
#include "observe/watch.h"
#include "os/line.h"
#include "os/os.h"
#include "api/seal.h"

#include <loam/loam.h>
#include <malloc.h>

#define TUNABLES "GLIBC_TUNABLES"
#define PREFIX	 "glibc.malloc."

/* A setting of glibc's by its names; option NULL: it has no meaning here. */
struct legacy {
	const char *tunable, *variable, *option;
};

static const struct legacy legacy[] = {
	{"arena_max", "MALLOC_ARENA_MAX", "arena_max"},
	{"trim_threshold", "MALLOC_TRIM_THRESHOLD_", "trim_threshold"},
	{"top_pad", "MALLOC_TOP_PAD_", "top_pad"},
	{"mmap_threshold", "MALLOC_MMAP_THRESHOLD_", "mmap_threshold"},
	{"perturb", "MALLOC_PERTURB_", "perturb"},
	{"arena_test", "MALLOC_ARENA_TEST", NULL},
	{"mmap_max", "MALLOC_MMAP_MAX_", NULL},
	{"check", "MALLOC_CHECK_", NULL},
	{"tcache_count", "MALLOC_TCACHE_COUNT", NULL},
	{"tcache_max", "MALLOC_TCACHE_MAX", NULL},
	{"tcache_unsorted_limit", "MALLOC_TCACHE_UNSORTED_LIMIT", NULL},
	{"mxfast", NULL, NULL},
	{"hugetlb", NULL, NULL},
};

#define LEGACY (sizeof legacy / sizeof legacy[0])

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
}

static struct word after(struct word w, size_t nbytes)
{
	return (struct word){w.start + nbytes, w.length - nbytes};
}

/* Digits, and nothing else; a number too large for a size_t is its largest. */
static bool parse_digits(struct word w, unsigned base, size_t *ret_value)
{
	size_t value = 0;

	if (!w.length)
		return false;
	for (; w.length; w = after(w, 1)) {
		unsigned digit = digit_of(*w.start);

		if (digit >= base)
			return false;
		if (__builtin_mul_overflow(value, (size_t)base, &value) ||
		    __builtin_add_overflow(value, (size_t)digit, &value))
			value = SIZE_MAX;
	}
	*ret_value = value;
	return true;
}

/*
 * A number as glibc reads it: blanks, a sign, then decimal, 0x, or octal after
 * a 0; false when it is none.  -1 is the largest, by which users say "never".
 */
static bool parse(struct word w, size_t *ret_value)
{
	unsigned base = 10;
	bool minus;

	while (w.length && (*w.start == ' ' || *w.start == '\t'))
		w = after(w, 1);
	minus = w.length && *w.start == '-';
	if (w.length && (minus || *w.start == '+'))
		w = after(w, 1);
	if (w.length > 1 && *w.start == '0') {
		base = (w.start[1] | 0x20) == 'x' ? 16 : 8;
		w = after(w, base == 16 ? 2 : 1);
	}
	if (!parse_digits(w, base, ret_value))
		return false;
	*ret_value = minus ? -*ret_value : *ret_value;
	return true;
}

/*
 * The user meant "large" or "small": what is beyond our range becomes its end.
 * glibc's 0 is not always ours: as a number of arenas it is no setting, and as
 * a trim threshold it is the lowest.
 */
static void set_clamped(const char *name, size_t value, const char *source)
{
	const struct option *o = option_find(word_of(name));

	if (!value && o->value == &options.arena_max)
		return;
	if (!value && o->value == &options.trim_threshold)
		value = 1;
	value = value < o->least ? o->least : value;
	option_set(o, value > o->most ? o->most : value, source);
}

static void read_legacy(const struct legacy *l, struct word value, const char *source)
{
	size_t number;

	if (!value.length || !l->option)
		return;
	if (parse(value, &number))
		set_clamped(l->option, number, source);
	else
		option_complain(option_find(word_of(l->option)), value, source);
}

/* Calls do_it for each known name=value in GLIBC_TUNABLES. */
static void each_tunable(void (*do_it)(const struct legacy *, struct word, const char *))
{
	const char *c = os_getenv(TUNABLES);

	for (; c && *c; c += *c == ':') {
		struct word name = {c, 0}, value;

		while (*c && *c != '=' && *c != ':')
			c++, name.length++;
		value = (struct word){c + (*c == '='), 0};
		while (*c && *c != ':')
			c++;
		value.length = c > value.start ? (size_t)(c - value.start) : 0;
		if (name.length <= sizeof PREFIX - 1 ||
		    !word_is((struct word){name.start, sizeof PREFIX - 1}, PREFIX))
			continue;
		name.start += sizeof PREFIX - 1;
		name.length -= sizeof PREFIX - 1;
		for (size_t i = 0; i < LEGACY; i++)
			if (word_is(name, legacy[i].tunable))
				do_it(&legacy[i], value, TUNABLES);
	}
}

void options_read_glibc(void)
{
	for (size_t i = 0; i < LEGACY; i++) {
		const char *value = legacy[i].variable ? os_getenv(legacy[i].variable) : NULL;

		if (value)
			read_legacy(&legacy[i], word_of(value), legacy[i].variable);
	}
	each_tunable(read_legacy);
}

static void say_meaningless(const struct legacy *l, struct word value, const char *source)
{
	(void)value;
	if (!l->option)
		line_say("%s: " PREFIX "%s has no meaning here", source, l->tunable);
}

void options_say_meaningless(void)
{
	each_tunable(say_meaningless);
	for (size_t i = 0; i < LEGACY; i++)
		if (legacy[i].variable && !legacy[i].option && os_getenv(legacy[i].variable))
			line_say("%s has no meaning here", legacy[i].variable);
}

/* --- mallopt ------------------------------------------------------------------------------- */

#define MXFAST_MOST 160 /* glibc 2.36 refuses more */

static int set_if_positive(const char *name, int value)
{
	if (value > 0)
		set_clamped(name, (size_t)value, "mallopt");
	return 1;
}

/* A negative value is a huge one to glibc, which takes it as size_t. */
static int set_size(const char *name, int value)
{
	set_clamped(name, (size_t)value, "mallopt");
	return 1;
}

static int set_perturb(int value)
{
	set_clamped("perturb", (unsigned char)value, "mallopt");
	if (options.perturb)
		watch_all();
	return 1;
}

int options_mallopt(int parameter, int value)
{
	switch (parameter) {
	case M_MXFAST:
		return value >= 0 && value <= MXFAST_MOST;
	case M_ARENA_MAX:
		return set_if_positive("arena_max", value);
	case M_TRIM_THRESHOLD:
		return set_size("trim_threshold", value);
	case M_TOP_PAD:
		return set_size("top_pad", value);
	case M_MMAP_THRESHOLD:
		return set_size("mmap_threshold", value);
	case M_PERTURB:
		return set_perturb(value);
	default:
		return 1;
	}
}

/* Takes a lock that a signal handler's malloc may need, which then finds the thread inside. */
static bool open_options(void)
{
	bool done;

	if (!cache_begin())
		return false;
	done = seal_open_options();
	cache_end();
	return done;
}

int loam_mallopt(int parameter, int value)
{
	if (!start())
		return 1;
	return open_options() ? options_mallopt(parameter, value) : 0;
}
