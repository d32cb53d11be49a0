/*
 * What do threads cost, and do they hinder each other?
 *
 *   birth   a thread is started, makes and frees a few blocks of random sizes, and is joined.  The
 *           allocator pays for what it keeps a thread; pthread_create allocates as well.  The
 *           latencies are those of calls in so young a thread.
 *   pair    1 to 64 threads at once, each a malloc and a free of 64 bytes in a loop: wall time over
 *           the operations of all.  With more threads than cores, a lock that is held while its
 *           owner is preempted shows.
 */
#include "micro.h"

#include <pthread.h>

using namespace micro;

enum { MOST_BLOCKS = 100 };

static pthread_t start(void *(*body)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, nullptr, body, arg);

	if (error) {
		fprintf(stderr, "a thread cannot be started: %s\n", strerror(error));
		exit(1);
	}
	return thread;
}

template <class calls> struct life {
	calls *call;
	size_t blocks;
};

template <class calls> static void *live(void *arg)
{
	life<calls> *life = static_cast<struct life<calls> *>(arg);
	calls &call = *life->call;
	random_numbers random;
	char *block[MOST_BLOCKS];

	for (size_t i = 0; i < life->blocks; i++) {
		size_t nbytes = random.between(16, 527);

		block[i] = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);
	}
	for (size_t i = 0; i < life->blocks; i++) {
		char *mem = block[i];

		call(FREE, [=] { free(mem); });
	}
	return nullptr;
}

template <class calls> static void birth(benchmark::State &state, calls &call, size_t blocks)
{
	life<calls> life = {&call, blocks};

	for (auto _ : state) {
		pthread_t thread = start(live<calls>, &life);

		pthread_join(thread, nullptr);
	}
	state.SetItemsProcessed(state.iterations());
}

/*
 * Threads that do the same work at once, as often as they are told.  google-benchmark's own threads
 * each take the time from when they first run: with more of them than cores, that is not the time
 * that all take.
 */
template <class calls> class crew
{
      public:
	crew(int threads, int64_t pairs) : threads(threads), pairs(pairs)
	{
		pthread_barrier_init(&gate, nullptr, unsigned(threads) + 1);
		for (int i = 0; i < threads; i++) {
			member[i] = {this, i, {}};
			member[i].thread = start(work, &member[i]);
		}
	}

	crew(const crew &) = delete;
	crew &operator=(const crew &) = delete;

	~crew()
	{
		over = true;
		pthread_barrier_wait(&gate);
		for (int i = 0; i < threads; i++)
			pthread_join(member[i].thread, nullptr);
		pthread_barrier_destroy(&gate);
	}

	/* The seconds that all take for their pairs. */
	double round()
	{
		uint64_t start_ns = clock_ns();

		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
		return double(clock_ns() - start_ns) / 1e9;
	}

      private:
	struct member {
		crew *all;
		int index;
		pthread_t thread;
	};

	static void *work(void *arg)
	{
		struct member *self = static_cast<struct member *>(arg);
		crew *all = self->all;
		calls call(self->index);

		for (;;) {
			pthread_barrier_wait(&all->gate);
			if (all->over)
				return nullptr;
			for (int64_t i = 0; i < all->pairs; i++)
				pair(call, 64);
			pthread_barrier_wait(&all->gate);
		}
	}

	static void pair(calls &call, size_t nbytes)
	{
		char *mem = written(call(ALLOCATE, [=] { return malloc(nbytes); }), nbytes);

		call(FREE, [=] { free(mem); });
	}

	int threads;
	int64_t pairs;
	bool over = false;
	pthread_barrier_t gate;
	struct member member[MAX_THREADS];
};

template <class calls>
static void pairs(benchmark::State &state, calls &, int threads, int64_t pairs)
{
	crew<calls> crew(threads, pairs);

	for (auto _ : state)
		state.SetIterationTime(crew.round());
	state.SetItemsProcessed(state.iterations() * threads * pairs);
}

int main(int argc, char **argv)
{
	suite suite(argc, argv, "malloc", "birth: a thread's life; pair: a malloc and its free");

	suite.axis("threads/birth", "blocks in a life");
	for (size_t blocks : suite.choose({1, 10, 100}, {1, 100})) {
		shape how;

		how.operations = int64_t(blocks);
		how.samples = int64_t(blocks) * 10000;
		suite.row(
			"threads/birth", blocks,
			[=](auto &state, auto &call) { birth(state, call, blocks); }, how);
	}
	suite.axis("threads/pair", "threads");
	for (size_t threads : suite.choose({1, 2, 4, 8, 16, 32, 64}, {1, 2, 8, 64})) {
		const int64_t count = suite.fewer(100000);
		shape how;

		how.operations = count * int64_t(threads);
		how.own_clock = true;
		suite.row(
			"threads/pair", threads,
			[=](auto &state, auto &call) { pairs(state, call, int(threads), count); },
			how);
	}
	return suite.run();
}
