/* What glibc's debugger of malloc must find in order: sizes, growth, every allocator; traced if
 * asked. */
#include "process.h"

#include <dlfcn.h>
#include <malloc.h>
#include <mcheck.h>
#include <pthread.h>

static void *work(void *unused)
{
	for (size_t i = 0; i < 2000; i++) {
		size_t n = i * 7 % 3000 + 1;
		struct block b = block_new(n);
		size_t usable = malloc_usable_size(b.mem);

		MUST(usable >= n && usable < n + 4096);
		block_free(block_grow(b));
		free(reallocarray(calloc(3, n), 5, n));
	}
	free(strdup("text"));
	free(aligned_alloc(64, 640));
	free(valloc(100));
	return unused;
}

/* Where the debugger is first, what is found behind libc's handle is libc's, on whose heap it
   works. */
static void look_behind_handle(void)
{
	void *found = dlsym(dlopen("libc.so.6", RTLD_LAZY), "malloc");
	const char *preload = getenv("LD_PRELOAD");
	Dl_info info;

	if (strncmp(preload, "libc_malloc_debug.so", strlen("libc_malloc_debug.so")) == 0)
		MUST(dladdr(found, &info) && strstr(info.dli_fname, "libc.so"));
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1 && !strcmp(argv[1], "trace"))
		mtrace();
	work(NULL);
	look_behind_handle();
	MUST(pthread_create(&thread, NULL, work, NULL) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	malloc_trim(0);
	return 0;
}
