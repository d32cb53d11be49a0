/*
 * What does zeroed memory cost, fresh and reused?
 *
 * Fresh: blocks that are kept, so that each comes from memory that the program never had; an
 * allocator that knows that the system's pages are zero need not clear them.  Reused: a block that
 * was written and freed just before, which must be cleared.
 *
 * The blocks of the fresh rows are never freed, on purpose: freed ones would come back in the rows
 * after them.
 */
#include "micro.h"

#include <algorithm>

using namespace micro;

template <class calls> static void fresh(benchmark::State &state, calls &call, size_t nbytes)
{
	for (auto _ : state)
		written(call(ALLOCATE, [=] { return calloc(1, nbytes); }), nbytes);
	state.SetItemsProcessed(state.iterations());
}

template <class calls> static void reused(benchmark::State &state, calls &call, size_t nbytes)
{
	for (auto _ : state) {
		char *mem = written(call(ALLOCATE, [=] { return calloc(1, nbytes); }), nbytes);

		call(FREE, [=] { free(mem); });
	}
	state.SetItemsProcessed(state.iterations());
}

/* Blocks that a fresh row makes in a pass: not more memory than a small machine has. */
static int64_t kept_blocks(const suite &suite, size_t nbytes)
{
	int64_t most_bytes = suite.fewer(128 << 20);

	return std::min(suite.fewer(1000000), std::max(most_bytes / int64_t(nbytes), int64_t(1)));
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "calloc", "a calloc (reused: and its free)");
	auto sizes = suite.choose({16, 128, 1 << 10, 4 << 10, 32 << 10, 256 << 10, 1 << 20},
				  {128, 4 << 10, 256 << 10});

	suite.axis("calloc/fresh", "bytes");
	suite.axis("calloc/reused", "bytes");
	for (size_t nbytes : sizes) {
		shape how;

		how.iterations = kept_blocks(suite, nbytes);
		suite.row(
			"calloc/fresh", nbytes,
			[=](auto &state, auto &call) { fresh(state, call, nbytes); }, how);
	}
	for (size_t nbytes : sizes) {
		shape how;

		how.samples = nbytes < 256 << 10 ? 500000 : 20000;
		suite.row(
			"calloc/reused", nbytes,
			[=](auto &state, auto &call) { reused(state, call, nbytes); }, how);
	}
	return suite.run();
}
