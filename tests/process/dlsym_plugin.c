/* A library that looks for names itself: RTLD_DEFAULT and RTLD_NEXT depend on who asks. */
#include <dlfcn.h>

int only_in_plugin;
int in_both = 1; /* the program has one too */

void *plugin_find_default(const char *name);
void *plugin_find_next(const char *name);

void *plugin_find_default(const char *name)
{
	void *volatile found = dlsym(RTLD_DEFAULT, name); /* no tail call, which hides who asks */

	return found;
}

void *plugin_find_next(const char *name)
{
	void *volatile found = dlsym(RTLD_NEXT, name);

	return found;
}
