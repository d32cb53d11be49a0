/*
 * What does growing a block cost?
 *
 * An array is appended to until it has its last size, and freed; what is appended is written.
 *   doubling   from 16 bytes, twice as large each time: a vector;
 *   steps      48 bytes more each time: a string that is built, a list without foresight;
 *   two        the same of two arrays in turn, so that each stands in the other's way;
 *   large      64 KiB more each time, to several MiB: a file that is read in.
 * An operation is one realloc, the writing of what it added, and its share of the free at the end.
 */
#include "micro.h"

using namespace micro;

struct growth {
	const char *name;
	unsigned arrays;
	size_t first;
	size_t step; /* 0: doubles */
	std::vector<size_t> last;
};

static size_t next_size(const growth &growth, size_t nbytes)
{
	if (!nbytes)
		return growth.first;
	return growth.step ? nbytes + growth.step : nbytes * 2;
}

static int64_t operations(const growth &growth, size_t last)
{
	int64_t steps = 0;

	for (size_t nbytes = 0; nbytes < last; nbytes = next_size(growth, nbytes))
		steps++;
	return steps * growth.arrays;
}

template <class calls> static char *append(calls &call, char *mem, size_t old, size_t nbytes)
{
	void *moved = call(ALLOCATE, [=] { return realloc(mem, nbytes); });
	char *grown = written(moved, nbytes);

	memset(grown + old, 1, nbytes - old);
	benchmark::ClobberMemory();
	return grown;
}

template <class calls>
static void grow(benchmark::State &state, calls &call, const growth &growth, size_t last)
{
	for (auto _ : state) {
		char *array[2] = {};

		for (size_t old = 0, nbytes; old < last; old = nbytes) {
			nbytes = next_size(growth, old);
			for (unsigned i = 0; i < growth.arrays; i++)
				array[i] = append(call, array[i], old, nbytes);
		}
		for (unsigned i = 0; i < growth.arrays; i++) {
			char *mem = array[i];

			call(FREE, [=] { free(mem); });
		}
	}
	state.SetItemsProcessed(state.iterations() * operations(growth, last));
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "realloc", "a realloc and the writing of what it added");
	const std::vector<size_t> small =
		suite.choose({1 << 10, 4 << 10, 16 << 10, 64 << 10}, {1 << 10, 16 << 10});
	const std::vector<size_t> large =
		suite.choose({256 << 10, 1 << 20, 4 << 20, 16 << 20}, {1 << 20, 4 << 20});
	const std::vector<size_t> doubled = suite.choose(
		{1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20}, {1 << 10, 256 << 10, 4 << 20});

	for (const growth &growth : {growth{"doubling", 1, 16, 0, doubled},
				     {"steps", 1, 48, 48, small},
				     {"two", 2, 48, 48, small},
				     {"large", 1, 64 << 10, 64 << 10, large}}) {
		std::string series = std::string("realloc/") + growth.name;

		suite.axis(series, "bytes at the end");
		for (size_t last : growth.last) {
			shape how;

			how.operations = operations(growth, last);
			how.samples = last <= 64 << 10 ? 500000 : 10000;
			suite.row(
				series, last,
				[=](auto &state, auto &call) { grow(state, call, growth, last); },
				how);
		}
	}
	return suite.run();
}
