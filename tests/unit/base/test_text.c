/* Text: each conversion against libc's, and the edges of the buffer. */
#include "base/text.h"
#include "test.h"

#include <string.h>

static char buffer[256];

static struct text fresh(size_t capacity)
{
	memset(buffer, '#', sizeof buffer);
	return (struct text){.buffer = buffer, .capacity = capacity};
}

static bool is(const struct text *t, const char *expected)
{
	bool same = t->length == strlen(expected) && !memcmp(t->buffer, expected, t->length);

	if (!same)
		fprintf(stderr, "\"%.*s\" is not \"%s\"\n", (int)t->length, t->buffer, expected);
	return same;
}

#define EXPECT_LIKE_LIBC(...)                                                                      \
	do {                                                                                       \
		struct text t = fresh(sizeof buffer);                                              \
		char expected[sizeof buffer];                                                      \
                                                                                                   \
		snprintf(expected, sizeof expected, __VA_ARGS__);                                  \
		text_printf(&t, __VA_ARGS__);                                                      \
		EXPECT(is(&t, expected));                                                          \
	} while (0)

TEST(strings_and_numbers_follow_each_other)
{
	struct text t = fresh(sizeof buffer);

	text_put(&t, "a");
	text_put(&t, "");
	text_put_bytes(&t, "b\0c", 3);
	text_printf(&t, "%zu%zu", (size_t)0, SIZE_MAX);
	EXPECT_EQ(t.length, 1 + 3 + 1 + 20);
	EXPECT(!memcmp(buffer, "ab\0c018446744073709551615", t.length));
	EXPECT_EQ(buffer[t.length], '#');
}

TEST(conversions_print_as_libc_does)
{
	EXPECT_LIKE_LIBC("plain");
	EXPECT_LIKE_LIBC("%s", "");
	EXPECT_LIKE_LIBC("<%s|%s>", "one", "two");
	EXPECT_LIKE_LIBC("%zu %zu %zu", (size_t)0, (size_t)10, SIZE_MAX);
	EXPECT_LIKE_LIBC("%p %p", (const void *)0x7f12a4c01040, (const void *)UINTPTR_MAX);
	EXPECT_LIKE_LIBC("%%%zu%%", (size_t)7);
	EXPECT_LIKE_LIBC("100%%");
}

TEST(widths_pad_as_libc_does)
{
	EXPECT_LIKE_LIBC("<%8zu>", (size_t)42);
	EXPECT_LIKE_LIBC("<%-8zu>", (size_t)42);
	EXPECT_LIKE_LIBC("<%1zu>", (size_t)42);
	EXPECT_LIKE_LIBC("<%5s|%-5s>", "ab", "cd");
	EXPECT_LIKE_LIBC("<%-12s%24zu>", "resident", (size_t)1 << 40);
	EXPECT_LIKE_LIBC("<%20p>", (const void *)0x1000);
}

TEST(null_prints_and_does_not_crash)
{
	struct text t = fresh(sizeof buffer);
	const char *volatile nothing = NULL;

	text_printf(&t, "%s %p", nothing, (const void *)NULL);
	EXPECT(is(&t, "(null) 0x0"));
}

TEST(a_full_text_drops_the_rest_and_touches_nothing_beyond)
{
	for (size_t capacity = 0; capacity < 30; capacity++) {
		struct text t = fresh(capacity);
		char whole[64];

		snprintf(whole, sizeof whole, "ab%8zu%scd", (size_t)123456, "string");
		text_printf(&t, "ab%8zu%scd", (size_t)123456, "string");
		EXPECT_EQ(t.length, capacity < strlen(whole) ? capacity : strlen(whole));
		EXPECT(!memcmp(buffer, whole, t.length));
		EXPECT_EQ(buffer[capacity], '#');
		text_put(&t, "!");
		EXPECT(t.length <= capacity);
		EXPECT_EQ(buffer[capacity], '#');
	}
}

TEST(what_a_string_begins_with)
{
	const char *string = "memory.max";

	EXPECT(text_after(string, "memory.") == string + 7);
	EXPECT(text_after(string, "") == string);
	EXPECT(text_after(string, string) == string + 10);
	EXPECT(!text_after(string, "memory.maximum"));
	EXPECT(!text_after(string, "emory"));
	EXPECT_EQ(text_length(string), 10);
}

static bool number_is(const char *string, size_t expected, const char *rest)
{
	const char *c = string;
	size_t number;

	return text_number(&c, &number) && number == expected && strcmp(c, rest) == 0;
}

TEST(numbers_are_read_up_to_what_is_none)
{
	const char *too_large = "18446744073709551616";
	size_t number = 7;

	EXPECT(number_is("65530\n", 65530, "\n"));
	EXPECT(number_is("0", 0, ""));
	EXPECT(number_is("", 0, ""));
	EXPECT(number_is("-1", 0, "-1"));
	EXPECT(number_is("18446744073709551615 ", SIZE_MAX, " "));
	EXPECT(!text_number(&too_large, &number));
	EXPECT_EQ(number, 7);
}

TEST(equal_strings)
{
	EXPECT(text_equal("", ""));
	EXPECT(text_equal("sbrk", "sbrk"));
	EXPECT(!text_equal("sbrk", "sbr"));
	EXPECT(!text_equal("sbr", "sbrk"));
	EXPECT(!text_equal("", "sbrk"));
}
