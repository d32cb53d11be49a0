/* Runs that an arena keeps: which is taken, cut, kept and given back, and what retain.h knows of
   them. */
#include "arena/runs.h"

#include "base/bits.h"
#include "base/options.h"
#include "os_sim.h"
#include "pages/retain.h"
#include "pages/zone.h"
#include "test.h"

#define PAGES(nbytes) ((nbytes) >> PAGE_SHIFT)

static struct runs rs;
static struct options before;

/* None is kept, nothing is retained, and nothing has to be given back. */
static void begin(void)
{
	static bool started;

	if (!started)
		before = options;
	started = true;
	options = before;
	options.retain_floor = 64 * MIB;
	runs_flush(&rs);
	zone_purge(SIZE_MAX);
	retain_forget();
}

static struct run *new_run(size_t nbytes, size_t alignment)
{
	bool zero;
	void *mem = run_alloc(nbytes, alignment, &zero);

	REQUIRE(mem);
	return (struct run *)pagemap_get(mem);
}

/* Makes a run of each size and keeps them all, in that order. */
static void keep(struct run **runs, unsigned n, const size_t *nbytes)
{
	for (unsigned i = 0; i < n; i++)
		runs[i] = new_run(nbytes[i], 1);
	for (unsigned i = 0; i < n; i++)
		runs_keep(&rs, runs[i]);
	EXPECT(runs_check(&rs));
}

/* Nothing is left, and every page is accounted for. */
static void end(void)
{
	runs_flush(&rs);
	EXPECT_EQ(rs.count, 0);
	EXPECT_EQ(rs.kept, 0);
	EXPECT_EQ(rs.retained, 0);
	EXPECT(runs_check(&rs));
	EXPECT(zone_check());
	options = before;
}

/* --- which is taken ------------------------------------------------------------------------- */

TEST(a_kept_run_is_taken_for_the_next_of_about_its_size)
{
	struct run *run;

	begin();
	run = new_run(800 * KIB, 1);
	runs_keep(&rs, run);
	EXPECT(run->kept);
	EXPECT_EQ(rs.count, 1);
	EXPECT(!runs_take(&rs, PAGES(800 * KIB) + 1, 1));
	EXPECT(!runs_take(&rs, 1, 1));
	EXPECT(runs_take(&rs, PAGES(800 * KIB), 1) == run);
	EXPECT(!run->kept);
	EXPECT_EQ(run->npages, PAGES(800 * KIB));
	EXPECT(!runs_take(&rs, PAGES(800 * KIB), 1));
	run_free(run);
	end();
}

TEST(less_than_an_eighth_may_be_too_much)
{
	struct run *run;

	begin();
	run = new_run(90 * PAGE_SIZE, 1);
	runs_keep(&rs, run);
	EXPECT(!runs_take(&rs, 79, 1));	      /* 11 too many; an eighth is 9 */
	EXPECT(runs_take(&rs, 80, 1) == run); /* 10 */
	run_free(run);
	end();
}

TEST(the_newest_that_fits_is_taken)
{
	static const size_t nbytes[] = {40 * PAGE_SIZE, 42 * PAGE_SIZE, 41 * PAGE_SIZE,
					20 * PAGE_SIZE};
	struct run *runs[4];

	begin();
	keep(runs, 4, nbytes);
	EXPECT(runs_take(&rs, 40, 1) == runs[2]);
	EXPECT(runs_check(&rs));
	EXPECT(runs_take(&rs, 40, 1) == runs[1]);
	EXPECT(runs_take(&rs, 40, 1) == runs[0]);
	EXPECT(!runs_take(&rs, 40, 1));
	EXPECT(rs.run[0] == runs[3]);
	EXPECT(runs_check(&rs));
	for (int i = 0; i < 3; i++)
		run_free(runs[i]);
	end();
}

TEST(those_that_stay_keep_their_order)
{
	static const size_t nbytes[] = {10 * PAGE_SIZE, 50 * PAGE_SIZE, 20 * PAGE_SIZE,
					30 * PAGE_SIZE};
	struct run *runs[4];

	begin();
	keep(runs, 4, nbytes);
	EXPECT(runs_take(&rs, 50, 1) == runs[1]);
	EXPECT_EQ(rs.count, 3);
	EXPECT(rs.run[0] == runs[0] && rs.run[1] == runs[2] && rs.run[2] == runs[3]);
	EXPECT(!rs.run[3]);
	EXPECT(runs_check(&rs));
	run_free(runs[1]);
	end();
}

TEST(an_aligned_request_takes_an_aligned_one)
{
	struct run *aligned, *odd;

	begin();
	aligned = new_run(256 * KIB, 256 * KIB);
	odd = new_run(64 * KIB, PAGE_SIZE);
	while (is_aligned((uintptr_t)odd->mem, 256 * KIB))
		odd = new_run(64 * KIB, PAGE_SIZE);
	runs_keep(&rs, aligned);
	runs_keep(&rs, odd);
	EXPECT(!runs_take(&rs, PAGES(64 * KIB), 256 * KIB));
	EXPECT(runs_take(&rs, PAGES(256 * KIB), 256 * KIB) == aligned);
	run_free(aligned);
	end();
}

TEST(what_is_to_grow_takes_the_newest_that_is_larger_cut_to_its_size)
{
	static const size_t nbytes[] = {60 * PAGE_SIZE, 80 * PAGE_SIZE, 70 * PAGE_SIZE,
					20 * PAGE_SIZE};
	struct run *runs[4];
	size_t live;

	begin();
	keep(runs, 4, nbytes);
	live = retain_live;
	EXPECT(!runs_take_larger(&rs, 81));
	EXPECT(runs_take_larger(&rs, 50) == runs[2]);
	EXPECT(!runs[2]->kept);
	EXPECT_EQ(runs[2]->npages, 50);
	EXPECT_EQ(rs.kept, 160);
	EXPECT_EQ(rs.retained, 160); /* at once: what was cut off is free in the zone */
	EXPECT_EQ(retain_live, live + 50 * PAGE_SIZE);
	EXPECT(run_resize(runs[2], 70 * PAGE_SIZE));
	EXPECT(runs_take_larger(&rs, 20) == runs[3]); /* just as large will do */
	EXPECT_EQ(runs[3]->npages, 20);
	EXPECT(runs_check(&rs));
	run_free(runs[2]);
	run_free(runs[3]);
	end();
}

TEST(a_small_run_moves_where_a_kept_one_is_four_times_as_large)
{
	static const size_t nbytes[] = {16 * PAGE_SIZE, 128 * PAGE_SIZE};
	struct run *runs[2], *run;

	begin();
	keep(runs, 2, nbytes);
	run = new_run(32 * PAGE_SIZE, 1);
	EXPECT(runs_have_room(&rs, run));
	run_free(run);
	run = new_run(33 * PAGE_SIZE, 1);
	EXPECT(!runs_have_room(&rs, run));
	run_free(run);
	end();
}

TEST(a_run_that_is_large_itself_does_not_move)
{
	static const size_t nbytes[] = {2 * MIB};
	struct run *large, *run;

	begin();
	keep(&large, 1, nbytes);
	run = new_run(RUN_ROOM / 4, 1);
	EXPECT(runs_have_room(&rs, run));
	run_free(run);
	run = new_run(RUN_ROOM / 4 + PAGE_SIZE, 1);
	EXPECT(!runs_have_room(&rs, run));
	run_free(run);
	end();
}

/* --- which stay ----------------------------------------------------------------------------- */

TEST(beyond_the_slots_the_oldest_goes)
{
	struct run *runs[RUNS_SLOTS + 2];
	void *first;

	begin();
	for (unsigned i = 0; i < RUNS_SLOTS + 2; i++)
		runs[i] = new_run(4 * PAGE_SIZE, 1);
	first = runs[0]->mem;
	for (unsigned i = 0; i < RUNS_SLOTS; i++)
		EXPECT(!runs_keep(&rs, runs[i]));
	EXPECT_EQ(rs.count, RUNS_SLOTS);
	EXPECT(rs.run[0] == runs[0]);
	EXPECT(runs_keep(&rs, runs[RUNS_SLOTS]));
	EXPECT(!pagemap_get(first));
	EXPECT(rs.run[0] == runs[1]);
	runs_keep(&rs, runs[RUNS_SLOTS + 1]);
	EXPECT_EQ(rs.count, RUNS_SLOTS);
	for (unsigned i = 0; i < RUNS_SLOTS; i++)
		EXPECT(rs.run[i] == runs[i + 2]);
	EXPECT(runs_check(&rs));
	end();
}

TEST(no_more_than_a_mebibyte_stays_unless_it_is_one_run)
{
	static const size_t nbytes[] = {256 * KIB, 256 * KIB, 256 * KIB, 256 * KIB, 4 * KIB};
	struct run *runs[5], *large;

	begin();
	keep(runs, 4, nbytes);
	EXPECT_EQ(rs.count, 4);
	runs[4] = new_run(nbytes[4], 1);
	runs_keep(&rs, runs[4]);
	EXPECT_EQ(rs.count, 4);
	EXPECT(rs.run[0] == runs[1] && rs.run[3] == runs[4]);
	large = new_run(2 * MIB, 1);
	runs_keep(&rs, large);
	EXPECT_EQ(rs.count, 1);
	EXPECT(rs.run[0] == large);
	EXPECT(runs_check(&rs));
	runs_keep(&rs, new_run(PAGE_SIZE, 1));
	EXPECT_EQ(rs.count, 1);
	EXPECT(rs.run[0] != large);
	end();
}

TEST(all_go_where_too_much_is_retained)
{
	static const size_t nbytes[] = {256 * KIB, 256 * KIB};
	struct run *runs[2];

	begin();
	keep(runs, 2, nbytes);
	options.retain_floor = 600 * KIB;
	runs_keep(&rs, new_run(64 * KIB, 1));
	EXPECT_EQ(rs.count, 3);
	runs_keep(&rs, new_run(64 * KIB, 1));
	EXPECT_EQ(rs.count, 0);
	EXPECT(!retain_excess());
	end();
}

/* --- what retain.h knows -------------------------------------------------------------------- */

TEST(what_is_kept_is_retained_and_not_live)
{
	size_t live, retained;
	struct run *run;

	begin();
	run = new_run(256 * KIB, 1);
	live = retain_live;
	retained = retain_retained;
	runs_keep(&rs, run);
	EXPECT_EQ(retain_live, live - 256 * KIB);
	EXPECT_EQ(retain_retained, retained + 256 * KIB);
	runs_flush(&rs); /* and the zone retains it */
	EXPECT_EQ(retain_live, live - 256 * KIB);
	EXPECT_EQ(retain_retained, retained + 256 * KIB);
	end();
}

TEST(what_is_taken_and_kept_again_changes_no_counter_of_all_threads)
{
	size_t live, retained;
	struct run *run;

	begin();
	run = new_run(MIB, 1);
	runs_keep(&rs, run);
	live = retain_live;
	retained = retain_retained;
	EXPECT(runs_take(&rs, PAGES(MIB), 1) == run);
	EXPECT_EQ(rs.kept, 0);
	EXPECT_EQ(rs.retained, RUNS_SLACK);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	EXPECT(runs_check(&rs));
	runs_keep(&rs, run);
	EXPECT_EQ(rs.retained, RUNS_SLACK);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	end();
}

TEST(nor_does_as_much_by_the_fast_path)
{
	struct run *run;
	size_t live;

	begin();
	run = new_run(MIB, 1);
	runs_keep(&rs, run);
	live = retain_live;
	EXPECT(runs_take_newest(&rs, PAGES(MIB)) == run);
	EXPECT(runs_push(&rs, run));
	EXPECT_EQ(rs.retained, RUNS_SLACK);
	EXPECT_EQ(retain_live, live);
	EXPECT(runs_check(&rs));
	end();
}

TEST(nor_does_less_that_is_kept_than_was)
{
	static const size_t nbytes[] = {256 * KIB, 512 * KIB};
	struct run *runs[2];
	size_t live;

	begin();
	keep(runs, 2, nbytes);
	live = retain_live;
	EXPECT(runs_take(&rs, PAGES(256 * KIB), 1) == runs[0]);
	EXPECT(runs_take(&rs, PAGES(512 * KIB), 1) == runs[1]);
	runs_keep(&rs, runs[1]);
	EXPECT_EQ(rs.retained, PAGES(768 * KIB));
	EXPECT_EQ(retain_live, live);
	run_free(runs[0]);
	end();
}

TEST(more_than_the_slack_is_told_at_once)
{
	size_t live, retained;
	struct run *run;

	begin();
	run = new_run(MIB + PAGE_SIZE, 1);
	live = retain_live;
	retained = retain_retained;
	runs_keep(&rs, run);
	EXPECT_EQ(retain_live, live - MIB - PAGE_SIZE);
	EXPECT(runs_take(&rs, PAGES(MIB + PAGE_SIZE), 1) == run);
	EXPECT_EQ(rs.retained, 0);
	EXPECT_EQ(retain_live, live);
	EXPECT_EQ(retain_retained, retained);
	run_free(run);
	end();
}

TEST(what_is_kept_no_more_is_told_now_and_then)
{
	static const size_t nbytes[] = {256 * KIB, 512 * KIB};
	struct run *runs[2];
	size_t live;

	begin();
	keep(runs, 2, nbytes);
	live = retain_live;
	EXPECT(runs_take(&rs, PAGES(256 * KIB), 1) == runs[0]);
	EXPECT_EQ(retain_live, live);
	runs_settle(&rs);
	EXPECT_EQ(retain_live, live + 256 * KIB);
	EXPECT_EQ(rs.retained, rs.kept);
	EXPECT_EQ(rs.count, 1); /* which is not too much */
	run_free(runs[0]);
	end();
}

TEST(what_is_too_much_goes_now_and_then)
{
	static const size_t nbytes[] = {256 * KIB, 512 * KIB};
	struct run *runs[2];

	begin();
	keep(runs, 2, nbytes);
	options.retain_floor = 0;
	runs_settle(&rs);
	EXPECT_EQ(rs.count, 0);
	EXPECT_EQ(rs.retained, 0);
	end();
}

TEST(when_all_go_nothing_stays_told)
{
	static const size_t nbytes[] = {256 * KIB, 512 * KIB};
	struct run *runs[2];
	size_t live;

	begin();
	keep(runs, 2, nbytes);
	live = retain_live;
	EXPECT(runs_take(&rs, PAGES(256 * KIB), 1) == runs[0]);
	runs_flush(&rs);
	EXPECT_EQ(rs.retained, 0);
	EXPECT_EQ(retain_live, live + 256 * KIB);
	run_free(runs[0]);
	end();
}

/* --- marks ----------------------------------------------------------------------------------- */

static void take_one(void *npages)
{
	runs_take(&rs, (size_t)npages, 1);
}

static void take_larger(void *npages)
{
	runs_take_larger(&rs, (size_t)npages);
}

static void flush(void *unused)
{
	(void)unused;
	runs_flush(&rs);
}

TEST(an_object_between_fences_has_a_mark_while_its_run_is_kept)
{
	struct run *run;
	uint64_t *mem;

	begin();
	run = new_run(40000, 1);
	mem = (uint64_t *)run->mem;
	REQUIRE(run->usable && run_fences_hold(run));
	runs_keep(&rs, run);
	EXPECT(run_is_marked(run));
	EXPECT(runs_take(&rs, run->npages, 1) == run);
	EXPECT_EQ(mem[0], 0);
	EXPECT(run_lay_out(run, 16, 38000) == mem);
	EXPECT(run_fences_hold(run));
	EXPECT_EQ(mem[40000 / 8], 0); /* it would tell of the secret */
	runs_keep(&rs, run);
	EXPECT(runs_take_newest(&rs, run->npages) == run);
	EXPECT(run_is_marked(run));
	run_unmark(run);
	run_free(run);
	EXPECT(mem[-1] == 0 && mem[0] == 0 && mem[38000 / 8] == 0);
	end();
}

TEST(what_has_grown_beyond_small_sizes_is_kept_without_fences)
{
	struct run *run;
	char *base;

	begin();
	run = new_run(RUN_FENCED_MAX, 1);
	base = run_base(run);
	EXPECT_EQ(run->npages, RUN_FENCED_PAGES);
	runs_keep(&rs, run);
	EXPECT(run->usable);
	EXPECT(runs_take(&rs, RUN_FENCED_PAGES, 1) == run);
	EXPECT(run_resize(run, RUN_MARKED_PAGES << PAGE_SHIFT));
	EXPECT(run->npages == RUN_MARKED_PAGES + 1 && run_fences_hold(run));
	runs_keep(&rs, run);
	EXPECT(!run->usable && run->mem == base);
	EXPECT_EQ(*(uint64_t *)(base + 8), 0);
	EXPECT(runs_check(&rs));
	end();
}

/* It had more pages than such an object needs, as a kept run may have. */
TEST(a_small_object_in_the_largest_run_that_serves_it_is_marked)
{
	struct run *run;

	begin();
	run = new_run(RUN_MARKED_PAGES << PAGE_SHIFT, 1);
	EXPECT_EQ(run->npages, RUN_MARKED_PAGES);
	run_lay_out(run, RUN_ALIGN, RUN_FENCED_MAX);
	EXPECT(runs_fits(run, RUN_FENCED_PAGES));
	runs_keep(&rs, run);
	EXPECT(run->usable && run_is_marked(run));
	EXPECT(runs_check(&rs));
	run->mem[-1] ^= 1;
	EXPECT_ABORT(take_one, (void *)run->npages, "malloc(): write after free: ");
	run->mem[-1] ^= 1;
	end();
}

TEST(a_kept_run_that_was_written_to_is_found_when_it_is_taken_or_goes_back)
{
	for (size_t offset = 0; offset < 8; offset++) {
		struct run *run;

		begin();
		run = new_run(40000, 1);
		runs_keep(&rs, run);
		run->mem[offset] ^= 1;
		EXPECT_ABORT(take_one, (void *)run->npages, "malloc(): write after free: ");
		EXPECT_ABORT(take_larger, (void *)run->npages, "free run of 40000 bytes");
		EXPECT_ABORT(flush, NULL, "malloc(): write after free: ");
		run->mem[offset] ^= 1;
		end();
	}
}

/* Two threads freed it at once, and it was taken since. */
TEST(a_run_that_was_kept_twice_is_found_when_it_is_taken_or_goes_back)
{
	static const size_t sizes[] = {MIB / 4};
	struct run *run;

	begin();
	keep(&run, 1, sizes);
	run->kept = false;
	EXPECT_ABORT(flush, NULL, "double free or corruption: ");
	run->kept = true;
	end();
}

TEST(a_kept_run_of_whole_pages_is_left_as_it_is)
{
	struct run *run;

	begin();
	run = new_run(10 * PAGE_SIZE, 1);
	run->mem[0] = 'a';
	runs_keep(&rs, run);
	run->mem[1] = 'b';
	EXPECT(runs_take(&rs, 10, 1) == run);
	EXPECT(run->mem[0] == 'a' && run->mem[1] == 'b');
	run_free(run);
	end();
}

TEST(a_kept_run_becomes_an_object_of_either_layout)
{
	struct run *run;
	char *base;

	begin();
	run = new_run(40000, 1);
	base = run_base(run);
	runs_keep(&rs, run);
	EXPECT(runs_take(&rs, 10, 1) == run);
	EXPECT(run_lay_out(run, 0, 10 * PAGE_SIZE) == base);
	EXPECT_EQ(run_usable(run), 10 * PAGE_SIZE);
	runs_keep(&rs, run);
	EXPECT(runs_take(&rs, 10, 1) == run);
	EXPECT(run_lay_out(run, 64, 39000) == base + 64);
	EXPECT_EQ(run_usable(run), 39008);
	EXPECT(run_fences_hold(run));
	runs_keep(&rs, run);
	EXPECT(runs_take_larger(&rs, 5) == run);
	EXPECT(run->mem == base && run->npages == 5);
	run_free(run);
	end();
}

/* --- any order, and faults ------------------------------------------------------------------ */

TEST(any_order_of_steps_loses_nothing)
{
	enum { RUNS = 24 };
	struct run *runs[RUNS] = {NULL};
	uint64_t random = test_seed();
	size_t live;

	begin();
	options.retain_floor = 4 * MIB;
	live = retain_live;
	for (int step = 0; step < 20000; step++) {
		uint64_t chance = test_random(&random);
		struct run **run = &runs[chance % RUNS];
		size_t npages = 1 + (chance >> 8) % (chance >> 20 & 1 ? 16 : 300);

		if (*run) {
			runs_keep(&rs, *run);
			*run = NULL;
		} else {
			*run = chance >> 21 & 1 ? runs_take(&rs, npages,
							    (size_t)PAGE_SIZE << (chance >> 32 & 3))
						: runs_take_larger(&rs, npages);
			if (!*run)
				*run = new_run(npages << PAGE_SHIFT, 1);
		}
		REQUIRE(!*run || (!(*run)->kept && (*run)->npages >= npages));
		if ((chance >> 40) % 64 == 0)
			runs_settle(&rs);
		REQUIRE(runs_check(&rs));
	}
	for (int i = 0; i < RUNS; i++)
		if (runs[i])
			run_free(runs[i]);
	end();
	EXPECT_EQ(retain_live, live);
}

TEST(check_sees_each_fault)
{
	static const size_t nbytes[] = {256 * KIB, 512 * KIB};
	struct run *runs[3];

	begin();
	keep(runs, 2, nbytes);
#define EXPECT_FAULT(break_it, mend_it)                                                            \
	do {                                                                                       \
		break_it;                                                                          \
		EXPECT(!runs_check(&rs));                                                          \
		mend_it;                                                                           \
		REQUIRE(runs_check(&rs));                                                          \
	} while (0)
	/* R1 */
	EXPECT_FAULT(runs[0]->tag.kind = KIND_HUGE, runs[0]->tag.kind = KIND_RUN);
	EXPECT_FAULT(runs[0]->kept = false, runs[0]->kept = true);
	EXPECT_FAULT(rs.run[2] = runs[0], rs.run[2] = NULL);
	/* R2 */
	EXPECT_FAULT(rs.kept--, rs.kept++);
	EXPECT_FAULT(rs.retained--, rs.retained++);
	EXPECT_FAULT(rs.retained += RUNS_SLACK + 1, rs.retained -= RUNS_SLACK + 1);
	/* R3 */
	runs[2] = new_run(40000, 1);
	runs_keep(&rs, runs[2]);
	EXPECT_FAULT(runs[2]->mem[0] ^= 1, runs[2]->mem[0] ^= 1);
	EXPECT_FAULT(runs[2]->mem[7] ^= 1, runs[2]->mem[7] ^= 1);
	EXPECT(runs_take(&rs, runs[2]->npages, 1) == runs[2]);
	run_free(runs[2]);
	end();
}
