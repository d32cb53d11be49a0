/*
 * What does a block cost that is freed at once?
 *
 * One size a row, from 16 bytes to 1 MiB.  It is the shortest path through an allocator, and the
 * most frequent: the temporary string, the argument list, the iterator.
 */
#include "micro.h"

using namespace micro;

template <class calls> static void pair(benchmark::State &state, calls &call, size_t nbytes)
{
	for (auto _ : state) {
		char *mem = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);

		call(FREE, [=] { free(mem); });
	}
	state.SetItemsProcessed(state.iterations());
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "a malloc and its free");

	suite.axis("hot_pair", "bytes");
	for (size_t nbytes :
	     suite.choose({16, 32, 64, 128, 256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10,
			   32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20},
			  {16, 128, 1 << 10, 8 << 10, 64 << 10, 1 << 20}))
		suite.row("hot_pair", nbytes,
			  [=](auto &state, auto &call) { pair(state, call, nbytes); });
	return suite.run();
}
