/* The first threads of a process begin at once, and learn together where libc keeps a thread's
   number.  Without a lock ThreadSanitizer saw that in one run of five; a process of its own, since
   it is learned once. */
#include "cache/cache.h"
#include "threads.h"

enum { THREADS = 32 };

static pthread_barrier_t all_are_here;

static void *begin(void *ret_cache)
{
	pthread_barrier_wait(&all_are_here);
	loam_free(loam_malloc(100));
	*(struct cache **)ret_cache = mine.cache;
	pthread_barrier_wait(&all_are_here);
	return NULL;
}

TEST(threads_that_begin_at_once_have_a_cache_each)
{
	pthread_t threads[THREADS];
	struct cache *caches[THREADS];

	loam_free(loam_malloc(100));
	pthread_barrier_init(&all_are_here, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, begin, &caches[i]));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		EXPECT(caches[i] && caches[i] != mine.cache);
		for (int j = 0; j < i; j++)
			EXPECT(caches[i] != caches[j]);
	}
}
