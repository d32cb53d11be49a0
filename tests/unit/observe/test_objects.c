/* Every object that is held is visited once, of each floor; what is free or cached is not. */
#include "observe/objects.h"

#include "../cache/threads.h"
#include "cache/alloc.h"
#include "cache/deferred.h"
#include "cache/free.h"

#include <sys/mman.h>

enum { MOST = 4000 };

static struct {
	void *mem;
	size_t req;
	unsigned visits;
} held[MOST];

static size_t count, strangers;

static void note(const void *mem, size_t nbytes, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < count; i++)
		if (held[i].mem == mem) {
			held[i].visits++;
			EXPECT(nbytes >= held[i].req);
			return;
		}
	strangers++;
}

static size_t strangers_now(void)
{
	strangers = 0;
	for (size_t i = 0; i < count; i++)
		held[i].visits = 0;
	objects_visit(note, NULL);
	for (size_t i = 0; i < count; i++)
		EXPECT_EQ(held[i].visits, 1);
	return strangers;
}

TEST(what_is_held_is_visited)
{
	static const size_t sizes[] = {1, 16, 100, 1000, 5000, 40000, 200000, 5000000};
	bool zero = false;
	size_t before;

	start_anew();
	before = strangers_now();
	for (size_t round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			if (sizes[i] > 100000 && round > 5)
				continue;
			REQUIRE(count < MOST);
			held[count].req = sizes[i];
			held[count].mem = cache_alloc(sizes[i], &zero);
			REQUIRE(held[count].mem);
			count++;
			zero = false;
		}
	EXPECT_EQ(strangers_now(), before);
	for (size_t i = 0; i < count; i += 2) {
		cache_release(held[i].mem, pagemap_get(held[i].mem), "free");
		held[i] = held[--count];
	}
	EXPECT_EQ(strangers_now(), before);
	while (count) {
		count--;
		cache_release(held[count].mem, pagemap_get(held[count].mem), "free");
	}
	EXPECT_EQ(strangers_now(), before);
}

static void protect(void *mem, int protection)
{
	REQUIRE(mprotect(mem, os_page_size(), protection) == 0);
}

/* A program keeps unreadable pages in objects of its own, as guards of coroutines' stacks are. */
TEST(what_is_unreadable_is_visited_and_not_read)
{
	enum { OBJECTS = 40 };
	size_t page = os_page_size();
	void *waiting;
	size_t before;

	options.promote_after = 1;
	start_anew();
	waiting = cache_alloc_aligned(page, 20 * page);
	REQUIRE(waiting);
	before = strangers_now();
	for (size_t i = 0; i < OBJECTS; i++, count++) {
		held[count].req = (i % 20 + 1) * page;
		held[count].mem = cache_alloc_aligned(page, held[count].req);
		REQUIRE(held[count].mem);
		protect(held[count].mem, PROT_NONE);
	}
	EXPECT_EQ(strangers_now(), before);
	deferred_add(waiting, false);
	EXPECT_EQ(strangers_now(), before - 1);
	while (count) {
		protect(held[--count].mem, PROT_READ | PROT_WRITE);
		cache_release(held[count].mem, pagemap_get(held[count].mem), "free");
	}
	EXPECT_EQ(strangers_now(), before - 1);
}
