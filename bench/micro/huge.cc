/*
 * What does a huge block cost, and its pages?
 *
 *   touched     4 to 64 MiB are allocated, a byte of each page is written, and all is freed;
 *   untouched   only the first and the last byte are written.
 * An allocator that gives such memory back at once pays for every page again; one that keeps it is
 * fast here and larger in between.  So the latencies have one of touching too.
 */
#include "micro.h"

#include <unistd.h>

using namespace micro;

static void touch(char *mem, size_t nbytes, size_t page)
{
	for (size_t i = 0; i < nbytes; i += page)
		mem[i] = 1;
	benchmark::ClobberMemory();
}

template <class calls>
static void huge(benchmark::State &state, calls &call, size_t nbytes, bool touched)
{
	const size_t page = size_t(sysconf(_SC_PAGESIZE));

	for (auto _ : state) {
		char *mem = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);

		if (touched)
			call(TOUCH, [=] { touch(mem, nbytes, page); });
		call(FREE, [=] { free(mem); });
	}
	state.SetItemsProcessed(state.iterations());
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "a malloc, the touching, and the free");
	const int64_t most_bytes = int64_t(1) << 30;

	suite.axis("huge/touched", "bytes");
	suite.axis("huge/untouched", "bytes");
	for (size_t nbytes :
	     suite.choose({4 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20}, {4 << 20, 32 << 20})) {
		shape how;

		how.samples = most_bytes / int64_t(nbytes);
		suite.row(
			"huge/touched", nbytes,
			[=](auto &state, auto &call) { huge(state, call, nbytes, true); }, how);
		how.samples = 20000;
		suite.row(
			"huge/untouched", nbytes,
			[=](auto &state, auto &call) { huge(state, call, nbytes, false); }, how);
	}
	return suite.run();
}
