/* A constructor that waits for an allocating thread, while dlopen holds the dynamic linker's lock.
 */
#include "test.h"

#include "process.h"

#include <dlfcn.h>

TEST(constructor_waits_for_an_allocating_thread)
{
	for (int i = 0; i < 20; i++) {
		void *plugin = dlopen(PLUGIN_THREAD, RTLD_NOW);
		int *started;

		if (!EXPECT(plugin != NULL)) {
			printf("    %s\n", dlerror());
			return;
		}
		started = dlsym(plugin, "plugin_started");
		REQUIRE(started);
		EXPECT_EQ(*started, 1);
		dlclose(plugin);
	}
}
