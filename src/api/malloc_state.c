/* malloc_get_state, malloc_set_state: glibc refuses them, and so does loam. */
#include <errno.h>
#include <loam/loam.h>

void *loam_malloc_get_state(void)
{
	errno = ENOSYS;
	return NULL;
}

int loam_malloc_set_state(void *state)
{
	(void)state;
	return -1;
}
