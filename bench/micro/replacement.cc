/*
 * What does it cost to replace a block in a large set of live ones?
 *
 * A set of blocks of random sizes is filled; then one at random is freed and another of a random
 * size takes its place.  The set is what a cache or an index holds: 1,000 blocks fit into the
 * processor's first cache, 10 million (2.7 GB) into none, and then an allocator pays for each line
 * of its own that it must touch beside the block.  The free memory is scattered, as after hours of
 * work, so that a search for a fit shows as well.
 *
 * The random numbers, some 3 ns, are within the time.  The set lives from pass to pass, and is
 * filled anew for the next row.
 */
#include "micro.h"

#include <memory>

using namespace micro;

struct sizes {
	size_t low;
	size_t high;
};

class working_set
{
      public:
	working_set(size_t count, sizes sizes) : count(count), range(sizes), block(count)
	{
		for (size_t i = 0; i < count; i++) {
			size_t nbytes = random.between(range.low, range.high);

			block[i] = written(malloc(nbytes), nbytes);
		}
	}

	~working_set()
	{
		for (size_t i = 0; i < count; i++)
			free(block[i]);
	}

	bool is(size_t other_count, sizes other) const
	{
		return count == other_count && range.low == other.low && range.high == other.high;
	}

	template <class calls> void replace_one(calls &call)
	{
		size_t i = random.below(count);
		size_t nbytes = random.between(range.low, range.high);
		char *old = block[i];

		call(FREE, [=] { free(old); });
		block[i] = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);
	}

      private:
	size_t count;
	sizes range;
	random_numbers random;
	table<char *> block;
};

static working_set &set_of(size_t count, sizes sizes)
{
	static std::unique_ptr<working_set> set;

	if (!set || !set->is(count, sizes)) {
		set.reset();
		set.reset(new working_set(count, sizes));
	}
	return *set;
}

template <class calls>
static void replace(benchmark::State &state, calls &call, size_t count, sizes sizes)
{
	working_set &set = set_of(count, sizes);

	for (auto _ : state)
		set.replace_one(call);
	state.SetItemsProcessed(state.iterations());
}

static void rows(suite &suite, const char *series, sizes sizes, const std::vector<size_t> &counts)
{
	suite.axis(series, "live blocks");
	for (size_t count : counts) {
		size_t filled = suite.is_smoke() ? count / 100 : count;

		suite.row(series, count,
			  [=](auto &state, auto &call) { replace(state, call, filled, sizes); });
	}
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "a free and the malloc in its place");

	rows(suite, "replacement/16-527", {16, 527},
	     suite.choose({1000, 10000, 100000, 1000000, 10000000}, {1000, 100000, 1000000}));
	rows(suite, "replacement/1K-32K", {1 << 10, 32 << 10},
	     suite.choose({100, 1000, 10000, 100000}, {1000, 10000}));
	return suite.run();
}
