/* The parser of LOAM_OPTIONS: whatever it is given, every value stays in its range. */
#include "fuzz.h"

#include "api/options.h"
#include "base/options.h"
#include "os_sim.h"

#include <string.h>

static char entry[2][8192];
static const char *const environment[] = {entry[0], entry[1], NULL};

static bool is_short(const char *text)
{
	return !text || strlen(text) < 1024;
}

static void check_ranges(void)
{
#define SIZE(name, least, most)                                                                    \
	MUST(options.name - (size_t)(least) <= (size_t)(most) - (size_t)(least));
#define COUNT(name, least, most) SIZE(name, least, most)
#define LIMIT(name, least, most) MUST(options.name <= (size_t)(most) || options.name == LIMIT_AUTO);
#define FLAG(name, least, most)	 MUST(options.name <= 1);
#define WORD(name, least, most)	 MUST(options.name <= (size_t)(most));

#define TEXT(name, least, most) MUST(is_short((const char *)options.name));

#define OPTION(type, name, default_value, least, most, when, what) type(name, least, most)
#include "base/options.def"
#undef OPTION
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"LOAM_OPTIONS=", "GLIBC_TUNABLES=", "MALLOC_ARENA_MAX=", "LOAM_"};
	struct choices c = {data, data + size};

	for (int i = 0; i < 2; i++) {
		size_t length = (size_t)sprintf(entry[i], "%s", names[choose(&c, 4)]);

		while (any_left(&c) && *c.at && length < sizeof entry[i] - 1)
			entry[i][length++] = (char)*c.at++;
		entry[i][length] = '\0';
		if (any_left(&c))
			c.at++;
	}
	os_sim_environment(environment);
	options_read();
	check_ranges();
	return 0;
}
