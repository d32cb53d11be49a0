/* An arena whole: promotion and demotion, the life of a slab, aligned classes, what is no object.
 */
#include "arena/arena.h"
#include "arena/hot.h"
#include "arena/magazine.h"
#include "arena/registry.h"
#include "arena/remote.h"
#include "base/bits.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone.h"
#include "test.h"

#include <loam/loam.h>
#include <pthread.h>
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

/* Full slabs are off every list; the first object back lists one; with the last it is kept, empty, until
   another class wants memory. */
TEST(a_slab_lives_from_current_to_full_to_listed_to_empty_to_the_zone)
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
	EXPECT_EQ(first->state, SLAB_FULL);
	magazine_flush(a);
	EXPECT_EQ(first->state, SLAB_LISTED);
	EXPECT_EQ(slab_objects_out(first), first->capacity - 1);
	EXPECT(arena_check(a));
	back = a->counts.slabs_back;
	for (int i = 1; i < OBJECTS; i++)
		loam_free(mem[i]);
	magazine_flush(a);
	EXPECT(!list_empty(&a->hot->empty));
	EXPECT(arena_check(a));
	use(3000, 2 * options.promote_after);
	EXPECT(a->counts.slabs_back > back);
	EXPECT_EQ(a->hot->slabs[class], 1);
	EXPECT(arena_check(a));
}

TEST(empty_slabs_that_are_missed_are_kept_the_next_time)
{
	enum { OBJECTS = 400 };
	static void *mem[OBJECTS];
	struct arena *a = mine();
	size_t made = 0;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < OBJECTS; i++)
			mem[i] = loam_malloc(2500);
		for (int i = 0; i < OBJECTS; i++)
			loam_free(mem[i]);
		if (round == 2)
			made = a->counts.slabs_new;
	}
	EXPECT(a->counts.slabs_new <= made + 1);
	EXPECT(a->hot->empty_most > 0);
	EXPECT(arena_check(a));
}

TEST(empty_slabs_are_retained_memory_under_its_rule)
{
	enum { OBJECTS = 2000 };
	static void *mem[OBJECTS];
	struct options before = options;
	struct arena *a = mine();

	for (int i = 0; i < OBJECTS; i++)
		mem[i] = loam_malloc(2500);
	options.retain_floor = 0;
	options.retain_share = 1024;
	retain_forget();
	for (int i = 0; i < OBJECTS; i++)
		loam_free(mem[i]);
	EXPECT(load_relaxed(&retain_retained) < OBJECTS * 2500 / 2);
	retain_forget();
	EXPECT(arena_check(a));
	options = before;
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
	for (size_t alignment = 32; alignment <= CLASS_SIZE_MAX; alignment *= 2) {
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
	char *object, *chunk = loam_malloc(50000), *run = loam_malloc(MIB),
		      *huge = loam_malloc(8 * MIB);

	memset(chunk, 1, 50000);
	use(48, options.promote_after);
	object = loam_malloc(48);
	EXPECT_EQ(kind_of(object), KIND_SLAB);
	EXPECT_ABORT(free_twice, object, "free(): double free detected");
	EXPECT_ABORT(free_twice, chunk, "double free detected");
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
	struct magazine *m;

	use(80, options.promote_after);
	m = magazine_at(a->hot, class_of(80));
	REQUIRE(m && m->slab != &slab_none);
	a->hot->fast[5] = &magazine_none;
	EXPECT(!arena_check(a));
	a->hot->fast[5] = m;
	m->slab->tag.live++;
	EXPECT(!arena_check(a));
	m->slab->tag.live--;
	EXPECT(arena_check(a));
}

/* Objects of 2,000 bytes, and a slab of theirs that is full. */
enum { MANY = 400 };
static void *many[MANY];

static struct slab *full_slab(void)
{
	struct slab *s = NULL;

	use(2000, options.promote_after);
	for (int i = 0; i < MANY; i++) {
		many[i] = loam_malloc(2000);
		memset(many[i], i, 2000);
	}
	for (int i = 0; i < MANY && (!s || s->state != SLAB_FULL || s->capacity < 30); i++)
		s = (struct slab *)pagemap_get(many[i]);
	REQUIRE(s->state == SLAB_FULL);
	return s;
}

/* Frees objects of a slab, its first pages first, until `out` are out. */
static void thin_out(struct slab *s, uint32_t out)
{
	for (int i = 0; i < MANY && slab_objects_out(s) > out; i++)
		if (many[i] && pagemap_get(many[i]) == &s->tag) {
			loam_free(many[i]);
			many[i] = NULL;
		}
}

static void expect_whole_and_free(void)
{
	for (int i = 0; i < MANY; i++) {
		if (many[i])
			EXPECT(((unsigned char *)many[i])[1999] == (unsigned char)i);
		loam_free(many[i]);
		many[i] = NULL;
	}
	EXPECT(arena_check(mine()));
}

TEST(a_sparse_slab_is_idle_until_it_is_used_again)
{
	struct arena *a = mine();
	struct slab *s = full_slab();
	size_t retained;

	thin_out(s, s->capacity / 4 + 1);
	EXPECT_EQ(s->kept, 0);
	retained = retain_retained;
	thin_out(s, s->capacity / 4);
	EXPECT(s->kept > 0);
	EXPECT(a->hot->idle.prev == &s->idle);
	EXPECT_EQ(retain_retained, retained + s->kept);
	EXPECT(arena_check(a));
	for (int i = 0; i < MANY; i++)
		if (!many[i]) {
			many[i] = loam_malloc(2000);
			memset(many[i], i, 2000);
		}
	while (s->kept) {
		void *more = loam_malloc(2000);

		REQUIRE(more);
	}
	EXPECT(list_empty(&a->hot->idle));
	EXPECT(arena_check(a));
	expect_whole_and_free();
}

TEST(pages_of_an_idle_slab_go_back_where_too_much_is_retained)
{
	struct options before = options;
	struct arena *a = mine();
	struct slab *s = full_slab();

	thin_out(s, s->capacity / 4);
	options.retain_floor = 0;
	options.retain_share = 1024;
	thin_out(s, s->mark);
	EXPECT(s->withdrawn != 0);
	EXPECT_EQ(s->kept, 0);
	EXPECT_EQ(pagemap_hot((void *)(s->base + (size_t)lowest_bit(s->withdrawn) * PAGE_SIZE)), 0);
	EXPECT(arena_check(a));
	options = before;
	expect_whole_and_free();
}

TEST(trim_withdraws_pages_of_listed_and_current_slabs)
{
	struct arena *a = mine();
	struct slab *s = full_slab();
	size_t live;

	thin_out(s, 2);
	live = retain_live;
	EXPECT(arena_trim(a, 0) > 0);
	EXPECT(retain_live < live);
	EXPECT(s->withdrawn != 0);
	EXPECT(arena_check(a));
	expect_whole_and_free();
}

/* A signal handler between arena_enter() and arena_leave() frees what makes a full slab listed. */
TEST(an_event_in_the_middle_of_another_is_left_for_later)
{
	struct arena *a = mine();
	struct slab *s = full_slab();
	struct object *free = s->free;

	REQUIRE(arena_enter() == a);
	for (int i = 0; i < MANY && !a->inbox; i++)
		if (pagemap_get(many[i]) == &s->tag) {
			loam_free(many[i]);
			EXPECT(a->inbox == many[i]);
			many[i] = NULL;
		}
	EXPECT_EQ(s->state, SLAB_FULL);
	EXPECT_EQ(s->tag.live, 1);
	EXPECT(s->free == free);
	arena_leave(a);
	EXPECT(remote_drain(a));
	EXPECT_EQ(s->state, SLAB_LISTED);
	EXPECT_EQ(slab_objects_out(s), s->capacity - 1);
	expect_whole_and_free();
}

TEST(while_it_is_busy_every_function_goes_elsewhere)
{
	char *chunk = loam_malloc(3000), *aligned;

	memset(chunk, 4, 3000);
	REQUIRE(arena_enter() == &arena_main);
	aligned = loam_memalign(512, 3000);
	EXPECT_EQ((uintptr_t)aligned % 512, 0);
	EXPECT_EQ(kind_of(aligned), KIND_EARLY);
	chunk = loam_realloc(chunk, 4000);
	EXPECT_EQ(kind_of(chunk), KIND_EARLY);
	EXPECT_EQ(chunk[2999], 4);
	arena_leave(&arena_main);
	EXPECT(loam_check());
}

TEST(what_is_long_idle_is_purged_little_by_little)
{
	struct zone_sizes before, after;
	char *run = loam_malloc(MIB);

	hot_demote_idle(mine()); /* no empty slabs come back in between */
	memset(run, 1, MIB);
	loam_free(run);
	zone_sizes(&before);
	REQUIRE(before.free_dirty > 0);
	os_sim_advance((uint64_t)5 * 1000 * 1000 * 1000);
	for (int i = 0; i < 600; i++)
		loam_free(loam_malloc(50000));
	zone_sizes(&after);
	EXPECT(after.free_dirty < before.free_dirty);
	EXPECT(loam_check());
}

/* A class cannot become hot: its requests go on being served by the bins. */
TEST(without_memory_for_slabs_the_bins_serve)
{
	void *mem[100];
	int n = 0;

	os_sim_fail_from(1);
	while (n < 100 && (mem[n] = loam_malloc(10000)))
		n++;
	os_sim_fail_from(0);
	EXPECT(arena_check(mine()));
	while (n)
		loam_free(mem[--n]);
	EXPECT(loam_check());
}

static void ask_usable(void *mem)
{
	loam_malloc_usable_size(mem);
}

TEST(what_is_no_object_has_no_size)
{
	char *run = loam_malloc(MIB), *huge = loam_malloc(8 * MIB);

	EXPECT_ABORT(ask_usable, run + 4096, "malloc_usable_size(): invalid pointer");
	EXPECT_ABORT(ask_usable, huge + 16, "16 bytes inside the huge object");
	EXPECT_ABORT(ask_usable, huge + 5 * MIB, "inside the huge object");
	EXPECT_ABORT(ask_usable, pagemap_get(run), "in loam's own memory");
	EXPECT_EQ(loam_malloc_usable_size(run), MIB);
	loam_free(run);
	loam_free(huge);
}

TEST(check_sees_each_fault_of_the_hot_side)
{
	struct arena *a = mine();
	struct slab *s = full_slab(), *current;
	unsigned class = class_of(2000), cold = class_of(31000);
	uint32_t kept;

	thin_out(s, s->capacity / 4);
	current = magazine_at(a->hot, class)->slab;
	REQUIRE(current != &slab_none && s->kept && !hot_is(a, cold));
	EXPECT(arena_check(a));
	current->owner = NULL;
	EXPECT(!arena_check(a));
	current->owner = a;
	s->owner = NULL;
	EXPECT(!arena_check(a));
	s->owner = a;
	a->hot->slabs[cold]++;
	EXPECT(!arena_check(a));
	a->hot->slabs[cold]--;
	kept = s->kept;
	s->kept = 0;
	EXPECT(!arena_check(a));
	s->kept = kept;
	EXPECT(arena_check(a));
	expect_whole_and_free();
}

static pthread_barrier_t meeting;

static void *have_an_arena(void *unused)
{
	loam_free(loam_malloc(1));
	pthread_barrier_wait(&meeting);
	pthread_barrier_wait(&meeting);
	return unused;
}

/* The last test: the arenas stay. */
TEST(a_class_is_promoted_later_where_there_are_many_arenas)
{
	enum { THREADS = 16, SIZE = 28000 };
	pthread_t thread[THREADS];
	struct arena *a = mine();

	pthread_barrier_init(&meeting, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&thread[i], NULL, have_an_arena, NULL) == 0);
	pthread_barrier_wait(&meeting);
	use(SIZE, 2 * options.promote_after);
	EXPECT(!hot_is(a, class_of(SIZE)));
	use(SIZE, options.promote_after * registry_count() / 4);
	EXPECT(hot_is(a, class_of(SIZE)));
	pthread_barrier_wait(&meeting);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

TEST(every_object_of_an_aligned_class_is_aligned)
{
	for (size_t alignment = 4096; alignment <= CLASS_SIZE_MAX; alignment *= 2)
		for (size_t size = alignment; size <= CLASS_SIZE_MAX; size += alignment) {
			void *mems[64];
			bool aligned = true;

			use(size, options.promote_after);
			for (unsigned i = 0; i < 64; i++) {
				mems[i] = loam_memalign(alignment, size);
				aligned &= is_aligned((uintptr_t)mems[i], alignment);
			}
			EXPECT(aligned);
			EXPECT_EQ(kind_of(mems[63]), KIND_SLAB);
			for (unsigned i = 0; i < 64; i++)
				loam_free(mems[i]);
		}
	EXPECT(loam_check());
}

TEST(what_is_little_and_aligned_to_more_than_a_page_is_a_page)
{
	for (size_t alignment = 64 * KIB; alignment <= 4 * MIB; alignment *= 2) {
		char *mem = loam_memalign(alignment, 200);

		EXPECT(is_aligned((uintptr_t)mem, alignment));
		EXPECT_EQ(kind_of(mem), KIND_RUN);
		EXPECT_EQ(loam_malloc_usable_size(mem), PAGE_SIZE);
		loam_free(mem);
	}
	EXPECT(loam_check());
}

TEST(whole_pages_are_runs_from_half_the_threshold_on)
{
	size_t half = options.mmap_threshold / 2;
	void *mems[] = {loam_malloc(half - PAGE_SIZE), loam_malloc(half + 100), loam_malloc(half),
			loam_malloc(half + 3 * PAGE_SIZE)};

	EXPECT_EQ(kind_of(mems[0]), KIND_HEAP);
	EXPECT_EQ(kind_of(mems[1]), KIND_HEAP);
	EXPECT_EQ(kind_of(mems[2]), KIND_RUN);
	EXPECT_EQ(kind_of(mems[3]), KIND_RUN);
	EXPECT_EQ(loam_malloc_usable_size(mems[3]), half + 3 * PAGE_SIZE);
	for (unsigned i = 0; i < 4; i++)
		loam_free(mems[i]);
	EXPECT(loam_check());
}
