/*
 * The C++ operators are in the library, yet a C program gets no libstdc++ from
 * it; there is then nobody who could catch bad_alloc, and a throwing operator
 * that finds no memory ends the program.
 */
#include "names.h"

static void *operator_named(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

TEST(there_is_no_libstdcxx)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	REQUIRE(maps != NULL);
	while (fgets(line, sizeof line, maps))
		EXPECT(!strstr(line, "libstdc++") && !strstr(line, "libgcc_s"));
	fclose(maps);
	EXPECT_EQ(operator_named("__cxa_throw"), NULL);
}

TEST(the_operators_work_without_it)
{
	void *(*make)(size_t);
	void *(*make_nothrow)(size_t, const void *);
	void (*drop)(void *);
	char tag, *p;

	*(void **)&make = operator_named("_Znwm");
	*(void **)&make_nothrow = operator_named("_ZnwmRKSt9nothrow_t");
	*(void **)&drop = operator_named("_ZdlPv");
	REQUIRE(make && make_nothrow && drop);
	p = make(100);
	REQUIRE(p != NULL);
	memset(p, 1, 100);
	p = realloc(p, 200);
	drop(p);
	p = make_nothrow(100, &tag);
	REQUIRE(p != NULL);
	free(p);
	EXPECT_EQ(make_nothrow(too_large, &tag), NULL);
}

static void ask_too_much(void *arg)
{
	void *(*make)(size_t);

	*(void **)&make = arg;
	make(too_large);
}

TEST(a_throwing_operator_ends_the_program)
{
	EXPECT_ABORT(ask_too_much, operator_named("_Znwm"), "");
	EXPECT_ABORT(ask_too_much, operator_named("_Znam"), "");
}
