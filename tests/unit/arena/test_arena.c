/* An arena whole: promotion and demotion, the life of a slab, aligned classes, what is no object. */
#include "arena/arena.h"
#include "arena/hot.h"
#include "arena/registry.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <string.h>

static struct arena *mine(void)
{
	loam_free(loam_malloc(1));
	return arena_mine;
}

static enum kind kind_of(void *mem)
{
	struct descriptor *tag = pagemap_get(mem);

	return tag ? (enum kind)tag->kind : KIND_NONE;
}

static void use(size_t nbytes, size_t times)
{
	while (times--)
		loam_free(loam_malloc(nbytes));
}

TEST(a_class_is_promoted_by_use_and_demoted_when_all_is_back)
{
	struct arena *a = mine();
	unsigned class = class_of(776);
	void *mem;

	use(776, options.promote_after - 1);
	EXPECT(!hot_is(a, class));
	mem = loam_malloc(776);
	EXPECT(hot_is(a, class));
	EXPECT_EQ(kind_of(mem), KIND_SLAB);
	EXPECT(arena_check(a));
	arena_trim(a, 0);
	EXPECT(hot_is(a, class));
	loam_free(mem);
	arena_trim(a, 0);
	EXPECT(!hot_is(a, class));
	EXPECT_EQ(kind_of(mem = loam_malloc(776)), KIND_HEAP);
	loam_free(mem);
	EXPECT(arena_check(a));
}

TEST(each_size_goes_where_the_table_says)
{
	void *chunk = loam_malloc(100000), *run = loam_malloc(options.mmap_threshold);
	void *most = loam_malloc(RUN_MAX), *huge = loam_malloc(RUN_MAX + 1);

	EXPECT_EQ(kind_of(chunk), KIND_HEAP);
	EXPECT_EQ(kind_of(run), KIND_RUN);
	EXPECT_EQ(kind_of(most), KIND_RUN);
	EXPECT_EQ(kind_of(huge), KIND_HUGE);
	loam_free(chunk);
	loam_free(run);
	loam_free(most);
	loam_free(huge);
	EXPECT(loam_check());
}

/* Full slabs are off every list; the first object back lists one, the last gives it back. */
TEST(a_slab_lives_from_current_to_full_to_listed_to_the_zone)
{
	enum { OBJECTS = 400 };
	static void *mem[OBJECTS];
	struct arena *a = mine();
	unsigned class = class_of(2000);
	struct slab *first;
	size_t back;

	use(2000, options.promote_after);
	for (int i = 0; i < OBJECTS; i++)
		mem[i] = loam_malloc(2000);
	first = (struct slab *)pagemap_get(mem[0]);
	EXPECT_EQ(first->state, SLAB_FULL);
	EXPECT_EQ(first->order, class_first_order(class));
	EXPECT(a->hot->slabs[class] > 2);
	EXPECT(arena_check(a));
	loam_free(mem[0]);
	EXPECT_EQ(first->state, SLAB_LISTED);
	EXPECT_EQ(slab_objects_out(first), first->capacity - 1);
	EXPECT(arena_check(a));
	back = a->counts.slabs_back;
	for (int i = 1; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT(a->counts.slabs_back > back);
	EXPECT_EQ(a->hot->slabs[class], 1);
	EXPECT(arena_check(a));
}

/* The class of a full slab must not be demoted: its first free would find no list. */
TEST(a_full_slab_keeps_its_class_hot)
{
	struct arena *a = mine();
	unsigned class = class_of(20000);
	static void *mem[64];
	struct slab *full;
	int n = 0;

	use(20000, options.promote_after);
	mem[n++] = loam_malloc(20000);
	full = (struct slab *)pagemap_get(mem[0]);
	while (full->state == SLAB_CURRENT)
		mem[n++] = loam_malloc(20000);
	loam_free(mem[--n]);
	arena_trim(a, 0);
	EXPECT(hot_is(a, class));
	while (n)
		loam_free(mem[--n]);
	EXPECT(arena_check(a));
}

TEST(aligned_requests_are_served_by_classes_when_these_are_hot)
{
	for (size_t alignment = 32; alignment <= 4096; alignment *= 2) {
		void *mem = NULL;

		for (size_t i = 0; i <= options.promote_after; i++) {
			loam_free(mem);
			mem = loam_memalign(alignment, alignment);
			REQUIRE(mem && (uintptr_t)mem % alignment == 0);
		}
		EXPECT_EQ(kind_of(mem), KIND_SLAB);
		loam_free(mem);
	}
	EXPECT(loam_check());
}

TEST(perturb_fills_and_keeps_to_the_slow_path)
{
	unsigned char *mem;

	use(64, options.promote_after);
	options.perturb = 0x5a;
	arena_watch_all();
	mem = loam_malloc(64);
	EXPECT_EQ(mem[0], 0xa5);
	EXPECT_EQ(mem[63], 0xa5);
	loam_free(mem);
	EXPECT_EQ(mem[20], 0x5a);
	options.perturb = 0;
	EXPECT(loam_check());
}

static void free_twice(void *mem)
{
	loam_free(mem);
	loam_free(mem);
}

static void free_it(void *mem)
{
	loam_free(mem);
}

static void free_local(void *unused)
{
	char local[64] __attribute__((aligned(16)));
	void *volatile mem = local;

	(void)unused;
	loam_free(mem);
}

TEST(what_is_no_object_ends_the_program)
{
	char *object, *chunk = loam_malloc(50000), *run = loam_malloc(MIB), *huge = loam_malloc(8 * MIB);

	memset(chunk, 1, 50000);
	use(48, options.promote_after);
	object = loam_malloc(48);
	EXPECT_EQ(kind_of(object), KIND_SLAB);
	EXPECT_ABORT(free_twice, object, "free(): double free of");
	EXPECT_ABORT(free_twice, chunk, "double free of");
	EXPECT_ABORT(free_it, object + 16, "16 bytes inside the object of 48 bytes");
	EXPECT_ABORT(free_it, chunk + 1024, "inside the chunk");
	EXPECT_ABORT(free_it, run + PAGE_SIZE, "inside the run");
	EXPECT_ABORT(free_it, huge + PAGE_SIZE, "inside the huge object");
	EXPECT_ABORT(free_it, object + 4, "pointer");
	EXPECT_ABORT(free_it, pagemap_get(object), "in loam's own memory");
	EXPECT_ABORT(free_local, NULL, "on the caller's stack");
	EXPECT_ABORT(free_it, (void *)0x12345678000, "no allocator gave it");
	loam_free(object);
	loam_free(chunk);
	loam_free(run);
	loam_free(huge);
}

TEST(check_sees_what_is_wrong)
{
	struct arena *a = mine();
	struct slab *current;

	use(80, options.promote_after);
	current = a->hot->current[class_of(80)];
	REQUIRE(current);
	a->fast[5] = &slab_none;
	EXPECT(!arena_check(a));
	a->fast[5] = current;
	current->tag.live++;
	EXPECT(!arena_check(a));
	current->tag.live--;
	EXPECT(arena_check(a));
}
