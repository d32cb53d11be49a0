/* libc's own functions, whatever this program has under their names. */
#include "os/libc.h"

#include "test.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

static int called;

/* The program's own, in the place of libc's for whoever calls them by name. */
void *sbrk(intptr_t nbytes)
{
	(void)nbytes;
	called++;
	return NULL;
}

unsigned long getauxval(unsigned long type)
{
	(void)type;
	called++;
	return 0;
}

TEST(a_function_of_the_program_is_not_found)
{
	EXPECT(libc_function("sbrk") != 0);
	EXPECT(libc_function("sbrk") != (uintptr_t)sbrk);
	EXPECT(libc_function("getauxval") != (uintptr_t)getauxval);
	EXPECT_EQ(called, 0);
}

TEST(what_is_found_is_what_dlsym_finds_in_libc)
{
	static const char *const names[] = {"sbrk",   "mmap",	   "munmap",
					    "mremap", "madvise",   "pthread_mutex_trylock",
					    "dlsym",  "backtrace", "sigaction"};
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);

	REQUIRE(libc);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		EXPECT_EQ(libc_function(names[i]), (uintptr_t)dlsym(libc, names[i]));
	dlclose(libc);
}

TEST(it_can_be_called)
{
	void *(*own_sbrk)(intptr_t);
	char *end;

	libc_find(&own_sbrk, "sbrk");
	REQUIRE(own_sbrk);
	end = own_sbrk(4096);
	REQUIRE(end != (void *)-1);
	end[0] = end[4095] = 1;
	EXPECT(own_sbrk(-4096) == end + 4096);
}

TEST(what_libc_has_not_is_not_found)
{
	EXPECT_EQ(libc_function("no_such_function"), 0);
	EXPECT_EQ(libc_function(""), 0);
	EXPECT_EQ(libc_function("environ"), 0); /* no function */
}

TEST(the_list_begins_with_the_program_and_has_libc)
{
	const struct link_map *map = libc_link_maps();

	REQUIRE(map);
	EXPECT_STR(map->l_name, "");
	while (map && map != dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD))
		map = map->l_next;
	EXPECT(map);
}
