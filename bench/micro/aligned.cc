/*
 * What does alignment cost?
 *
 * Blocks at multiples of 32 bytes to 2 MiB, 64 of them live: the oldest is freed and a new one
 * made.  aligned_alloc of one alignment's worth of bytes is what buffers and vectors of processors
 * ask for (up to 64 KiB here), posix_memalign of 200 bytes what keeps a small structure in lines
 * or pages of its own, where all but the block can be waste.
 */
#include "micro.h"

using namespace micro;

enum { LIVE = 64 };

struct by_aligned_alloc {
	static void *get(size_t alignment, size_t nbytes)
	{
		return aligned_alloc(alignment, nbytes);
	}
};

struct by_posix_memalign {
	static void *get(size_t alignment, size_t nbytes)
	{
		void *mem;

		return posix_memalign(&mem, alignment, nbytes) ? nullptr : mem;
	}
};

template <class way, class calls>
static void ring(benchmark::State &state, calls &call, size_t alignment, size_t nbytes)
{
	char *block[LIVE] = {};
	size_t oldest = 0;

	for (auto _ : state) {
		char *old = block[oldest];

		call(FREE, [=] { free(old); });
		block[oldest] = written(call(ALLOCATE, [=] { return way::get(alignment, nbytes); }),
					nbytes);
		oldest = (oldest + 1) % LIVE;
	}
	for (char *mem : block)
		free(mem);
	state.SetItemsProcessed(state.iterations());
}

template <class way>
static void row(suite &suite, const char *series, size_t alignment, size_t nbytes)
{
	shape how;

	how.samples = alignment < 64 << 10 ? 500000 : 100000;
	suite.row(
		series, alignment,
		[=](auto &state, auto &call) { ring<way>(state, call, alignment, nbytes); }, how);
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "aligned", "an aligned allocation and a free");
	const char *whole = "aligned/aligned_alloc";
	const char *small = "aligned/posix_memalign-200";

	suite.axis(whole, "alignment, and bytes");
	for (size_t alignment :
	     suite.choose({32, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10}, {64, 4 << 10}))
		row<by_aligned_alloc>(suite, whole, alignment, alignment);
	suite.axis(small, "alignment");
	for (size_t alignment :
	     suite.choose({32, 64, 256, 1 << 10, 4 << 10, 64 << 10, 2 << 20}, {64, 4 << 10}))
		row<by_posix_memalign>(suite, small, alignment, 200);
	return suite.run();
}
