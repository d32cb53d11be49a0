/*
 * What do many blocks of one size cost that are made together and freed together?
 *
 * A batch of 100 to 100,000 blocks, freed in the order in which they were made (queues), in the
 * reverse order (stacks, scopes) or in a random one (hash tables).  Small batches stay within the
 * caches of an allocator, large ones show how they are filled and emptied, and the order shows what
 * free pays for memory that left the processor's cache.
 */
#include "micro.h"

#include <utility>

using namespace micro;

enum order { SAME, REVERSE, RANDOM };

static const char *const order_name[] = {"same", "reverse", "random"};

static void arrange(table<uint32_t> &turn, size_t count, order order)
{
	random_numbers random;

	for (size_t i = 0; i < count; i++)
		turn[i] = uint32_t(order == REVERSE ? count - 1 - i : i);
	for (size_t i = count; order == RANDOM && i > 1; i--)
		std::swap(turn[i - 1], turn[random.below(i)]);
}

template <class calls>
static void batch(benchmark::State &state, calls &call, size_t nbytes, size_t count, order order)
{
	table<char *> block(count);
	table<uint32_t> turn(count);

	arrange(turn, count, order);
	for (auto _ : state) {
		for (size_t i = 0; i < count; i++)
			block[i] = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);
		for (size_t i = 0; i < count; i++) {
			char *mem = block[turn[i]];

			call(FREE, [=] { free(mem); });
		}
	}
	state.SetItemsProcessed(state.iterations() * int64_t(count));
}

static void rows(suite &suite, size_t nbytes, order order)
{
	std::string series =
		"batches/" + std::string(order_name[order]) + "/" + std::to_string(nbytes);

	suite.axis(series, "blocks in a batch");
	for (size_t count : suite.choose({100, 1000, 10000, 100000}, {100, 10000})) {
		shape how;

		if (nbytes * count > 100 << 20)
			continue; /* would measure the system's pages, which huge does */
		how.operations = int64_t(count);
		how.samples = nbytes < 4096 ? 500000 : 100000;
		suite.row(
			series, count,
			[=](auto &state, auto &call) { batch(state, call, nbytes, count, order); },
			how);
	}
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "a malloc and its free");

	for (size_t nbytes : suite.choose({32, 512, 4096}, {64}))
		for (order order : {SAME, REVERSE, RANDOM})
			rows(suite, nbytes, order);
	return suite.run();
}
