/*
 * What is found behind libc's handle, or that of a library which is linked with libc, is loam's
 * where it is malloc's; all else is as ever.
 */
#include "test.h"

#include "process.h"

#include <dlfcn.h>
#include <malloc.h>

static void *libc(void)
{
	void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

	REQUIRE(handle);
	return handle;
}

static const char *library_of(void *function)
{
	Dl_info info;

	return function && dladdr(function, &info) ? info.dli_fname : "nothing";
}

TEST(malloc_and_its_like_are_loams)
{
	static const char *const names[] = {"malloc",
					    "free",
					    "calloc",
					    "realloc",
					    "reallocarray",
					    "memalign",
					    "aligned_alloc",
					    "posix_memalign",
					    "valloc",
					    "pvalloc",
					    "malloc_usable_size",
					    "mallinfo",
					    "mallinfo2",
					    "mallopt",
					    "malloc_trim",
					    "malloc_stats",
					    "malloc_info",
					    "__libc_malloc",
					    "__libc_free"};
	void *of_others = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);

	REQUIRE(of_others);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		EXPECT_STR(library_of(dlsym(libc(), names[i])), "libloam");
		EXPECT_STR(library_of(dlsym(of_others, names[i])), "libloam");
	}
	EXPECT(dlsym(libc(), "free") == dlsym(RTLD_DEFAULT, "free"));
	EXPECT_STR(library_of(dlvsym(libc(), "malloc", OLDEST_GLIBC)), "libloam");
	EXPECT_STR(library_of(dlvsym(libc(), "cfree", OLDEST_GLIBC)), "libloam");
}

/* As an overlay with a dlsym of its own finds the next. */
TEST(dlvsym_finds_loams_dlsym)
{
	static const char *const versions[] = {OLDEST_GLIBC, "GLIBC_2.34"};

	for (int i = 0; i < 2; i++) {
		void *volatile next = dlvsym(RTLD_NEXT, "dlsym", versions[i]);
		void *volatile next_versioned = dlvsym(RTLD_NEXT, "dlvsym", versions[i]);

		EXPECT_STR(library_of(next), "libloam");
		EXPECT_STR(library_of(next_versioned), "libloam");
		EXPECT(((void *(*)(void *, const char *))next)(libc(), "free") == (void *)free);
	}
	EXPECT_STR(library_of(dlsym(RTLD_DEFAULT, "dlsym")), "libloam");
}

TEST(what_is_found_does_its_work)
{
	void (*release)(void *) = dlsym(libc(), "free");
	void *(*grow)(void *, size_t) = dlsym(libc(), "realloc");
	int (*trim)(size_t) = dlsym(libc(), "malloc_trim");
	struct mallinfo2 (*count)(void) = dlsym(libc(), "mallinfo2");
	char *text = strdup("a string"), *many[1000];
	size_t before;

	text = grow(text, 100000);
	EXPECT_STR(text, "a string");
	release(text);
	for (int i = 0; i < 1000; i++)
		memset(many[i] = malloc(20000), 1, 20000);
	EXPECT(count().uordblks >= 1000 * 20000);
	for (int i = 0; i < 1000; i++)
		free(many[i]);
	before = resident_kib();
	EXPECT_EQ(trim(0), 1);
	EXPECT(resident_kib() < before);
}

TEST(other_names_are_as_ever)
{
	EXPECT_STR(library_of(dlsym(libc(), "fopen")), "libc.so");
	EXPECT_STR(library_of(dlsym(RTLD_DEFAULT, "fopen")), "libc.so");
	EXPECT(!dlsym(libc(), "no_such_name"));
	EXPECT_STR(dlerror(), "no_such_name");
	EXPECT(!dlvsym(libc(), "malloc", "NO_SUCH_VERSION"));
	EXPECT(!dlsym(RTLD_DEFAULT, "no_such_name"));
	EXPECT_STR(dlerror(), "no_such_name");
}

int in_both = 2;

TEST(who_asks_is_whom_libc_sees)
{
	void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
	void *(*find_default)(const char *), *(*find_next)(const char *);

	REQUIRE(plugin);
	find_default = dlsym(plugin, "plugin_find_default");
	find_next = dlsym(plugin, "plugin_find_next");
	REQUIRE(find_default && find_next);
	EXPECT(find_default("only_in_plugin") == dlsym(plugin, "only_in_plugin"));
	EXPECT(find_default("only_in_plugin") && !find_next("only_in_plugin"));
	EXPECT(!dlsym(RTLD_DEFAULT, "only_in_plugin"));
	EXPECT(find_default("in_both") == &in_both);
	EXPECT_STR(library_of(find_next("fopen")), "libc.so");
	EXPECT_STR(library_of(dlsym(RTLD_NEXT, "malloc")), "libloam");
}
