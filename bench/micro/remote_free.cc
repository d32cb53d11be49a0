/*
 * What does it cost when another thread frees?
 *
 *   one    one thread allocates, the other frees: a producer and a consumer;
 *   both   each allocates and frees what the other made: a pool of workers that pass messages.
 * The blocks go through rings of ours, which touch a shared line only when their end has caught up
 * with what it last saw of the other: so what passes between the threads is mostly the allocator's.
 *
 * Both threads do the same number of steps.  In `both` a step gives one block and takes the one
 * that was given LAG steps ago, so neither runs away, and the last blocks fit into the ring when
 * the other thread has ended.
 */
#include "micro.h"

#include <algorithm>
#include <atomic>
#include <sched.h>

using namespace micro;

static const int64_t LAG = 256; /* steps, and blocks */
static const uint64_t RING = 1024;

static_assert(RING > 2 * LAG, "a thread ahead by LAG gives what the other takes LAG steps later");

/* A processor that has nothing to do leaves the core to its neighbour, where cores are few. */
static void wait_a_little(unsigned &tries)
{
	if (++tries % 64 == 0)
		sched_yield();
#if defined(__x86_64__)
	_mm_pause();
#endif
}

class ring
{
      public:
	void give(char *mem)
	{
		uint64_t i = given.load(std::memory_order_relaxed);

		for (unsigned tries = 0; i - seen_taken == RING; wait_a_little(tries))
			seen_taken = taken.load(std::memory_order_acquire);
		block[i % RING] = mem;
		given.store(i + 1, std::memory_order_release);
	}

	char *take()
	{
		uint64_t i = taken.load(std::memory_order_relaxed);
		char *mem;

		for (unsigned tries = 0; i == seen_given; wait_a_little(tries))
			seen_given = given.load(std::memory_order_acquire);
		mem = block[i % RING];
		taken.store(i + 1, std::memory_order_release);
		return mem;
	}

      private:
	alignas(128) std::atomic<uint64_t> given{0}; /* and what its writer saw of the other end */
	uint64_t seen_taken = 0;
	alignas(128) std::atomic<uint64_t> taken{0};
	uint64_t seen_given = 0;
	alignas(128) char *block[RING];
};

static ring rings[2]; /* by the thread that gives; empty between passes */

template <class calls> static void make(calls &call, ring &to, size_t nbytes)
{
	to.give(written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes));
}

template <class calls> static void drop(calls &call, ring &from)
{
	char *mem = from.take();

	call(FREE, [=] { free(mem); });
}

template <class calls> static void one(benchmark::State &state, calls &call, size_t nbytes)
{
	if (state.thread_index() == 0) {
		for (auto _ : state)
			make(call, rings[0], nbytes);
		state.SetItemsProcessed(state.iterations());
	} else {
		for (auto _ : state)
			drop(call, rings[0]);
	}
}

template <class calls> static void both(benchmark::State &state, calls &call, size_t nbytes)
{
	int64_t step = 0;
	ring &mine = rings[state.thread_index()];
	ring &others = rings[1 - state.thread_index()];

	for (auto _ : state) {
		make(call, mine, nbytes);
		if (step++ >= LAG)
			drop(call, others);
	}
	for (int64_t left = std::min(step, LAG); left > 0; left--)
		free(others.take());
	state.SetItemsProcessed(state.iterations());
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "a malloc and the free in the other thread");

	suite.axis("remote_free/one", "bytes");
	suite.axis("remote_free/both", "bytes");
	for (size_t nbytes :
	     suite.choose({16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10}, {64, 4 << 10})) {
		shape how;

		how.threads = 2;
		how.samples = nbytes < 4 << 10 ? 500000 : 200000;
		suite.row(
			"remote_free/one", nbytes,
			[=](auto &state, auto &call) { one(state, call, nbytes); }, how);
		suite.row(
			"remote_free/both", nbytes,
			[=](auto &state, auto &call) { both(state, call, nbytes); }, how);
	}
	return suite.run();
}
