/* Plugins in C++ of a program in C, whose new gets no memory: the C++ runtime came with them. */
#include "test.h"

#include "process.h"

#include <dlfcn.h>

static int call(const char *name)
{
	void *handle = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
	int (*refused)(void);
	int result;

	MUST(handle);
	*(void **)&refused = dlsym(handle, name);
	MUST(refused);
	result = refused();
	dlclose(handle);
	return result;
}

TEST(new_fails_as_it_should_in_what_came_with_a_plugin)
{
	EXPECT_EQ(call("refused_beside_plugin"), 0);
}

TEST(new_fails_as_it_should_in_a_plugin)
{
	EXPECT_EQ(call("refused_in_plugin"), 0);
}
