/*
 * Options that want stacks have libc open a library as the process starts, before libc's own
 * constructor ran: a program has its name and libc's tables all the same, and the constructors of
 * libraries that it opens get its arguments.
 */
#include "test.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

TEST(a_program_has_its_name)
{
	EXPECT_STR(program_invocation_short_name, "arguments");
	EXPECT(strcmp(program_invocation_name, program_invocation_short_name) != 0); /* a path */
}

TEST(its_thread_has_the_table_of_characters)
{
	EXPECT(isalpha('a') != 0);
}

TEST(the_constructor_of_a_library_that_it_opens_has_its_arguments)
{
	void *plugin = dlopen(PLUGIN, RTLD_NOW);
	char ***argv = plugin ? dlsym(plugin, "plugin_argv") : NULL;
	int *argc = plugin ? dlsym(plugin, "plugin_argc") : NULL;

	REQUIRE(argv && argc && *argv);
	EXPECT(*argc >= 1);
	EXPECT_STR((*argv)[0], program_invocation_name);
}
