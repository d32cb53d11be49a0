/*
 * What the executables of this folder share: rows, the two passes over each, random numbers, and
 * tables that no allocator sees.
 *
 * An executable answers one question.  It calls plain malloc and free, so that any allocator can
 * be preloaded, and runs on google-benchmark, which chooses how often to repeat a loop and writes
 * the JSON that micro.py reads.  A row is one loop, written once and run twice:
 *
 *   series/x           the throughput: calls as they are, nanoseconds an operation;
 *   series/x/latency   each call under a stopwatch: percentiles of single calls.
 *
 * The loop is a function template: what it calls through, `call(FREE, ...)`, does nothing in the
 * first pass.  Options beside google-benchmark's own: --quick (fewer rows, less time each), --smoke
 * (every row, once).
 *
 * google-benchmark allocates between loops, never within one.
 */
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include <sys/mman.h>

#include "latency.h"

namespace micro
{

enum { MAX_THREADS = 64 };

/* ---- What a loop needs. */

[[noreturn]] inline void no_memory(size_t nbytes)
{
	fprintf(stderr, "no memory for %zu bytes\n", nbytes);
	exit(1);
}

/* Random numbers: splitmix64 by Steele, Lea and Flood (2014). */
class random_numbers
{
      public:
	explicit random_numbers(uint64_t seed = 20250101) : state(seed)
	{
	}

	uint64_t next()
	{
		uint64_t z = state += 0x9e3779b97f4a7c15;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		return z ^ z >> 31;
	}

	uint64_t below(uint64_t n)
	{
		return uint64_t(static_cast<unsigned __int128>(next()) * n >> 64);
	}

	/* From low to high, both included. */
	uint64_t between(uint64_t low, uint64_t high)
	{
		return low + below(high - low + 1);
	}

      private:
	uint64_t state;
};

/* An array of zeroes from the system, so that the allocator does not see it. */
template <class T> class table
{
      public:
	explicit table(size_t length) : nbytes(length * sizeof(T))
	{
		void *mem = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (mem == MAP_FAILED)
			no_memory(nbytes);
		at = static_cast<T *>(mem);
	}

	table(const table &) = delete;
	table &operator=(const table &) = delete;

	~table()
	{
		munmap(at, nbytes);
	}

	T &operator[](size_t i)
	{
		return at[i];
	}

      private:
	T *at;
	size_t nbytes;
};

/* A block as a program has it: there, and its first and last byte written. */
inline char *written(void *block, size_t nbytes)
{
	char *mem = static_cast<char *>(block);

	if (__builtin_expect(!mem, 0))
		no_memory(nbytes);
	benchmark::DoNotOptimize(mem);
	mem[0] = 1;
	mem[nbytes - 1] = 1;
	benchmark::ClobberMemory();
	return mem;
}

/* ---- The two passes. */

enum kind { ALLOCATE, FREE, TOUCH, KINDS };

inline histogram recorded[MAX_THREADS][KINDS]; /* each written by its thread alone */

/* Calls as they are. */
class plain_calls
{
      public:
	explicit plain_calls(int)
	{
	}

	template <class function> auto operator()(kind, function call)
	{
		return call();
	}
};

/* Calls under a stopwatch, each thread with histograms of its own. */
class timed_calls
{
      public:
	explicit timed_calls(int thread) : to(recorded[thread])
	{
	}

	template <class function> auto operator()(kind which, function call)
	{
		stopwatch watch(to[which]);

		return call();
	}

      private:
	histogram *to;
};

/* How a row runs. */
struct shape {
	int threads = 1;
	int64_t operations = 1;	  /* in an iteration of the loop */
	int64_t samples = 500000; /* calls to time in a full run */
	int64_t iterations = 0;	  /* of both passes; 0: as many as the time and the samples ask */
	bool own_clock = false;	  /* the loop sets the time of each iteration */
};

class suite
{
      public:
	/*
	 * allocate is what the call under test is named in the results, operation what the
	 * nanoseconds are of.
	 */
	suite(int argc, char **argv, const char *allocate, const char *operation)
	    : allocate(allocate)
	{
		for (int i = 0; i < argc; i++) {
			if (!strcmp(argv[i], "--quick"))
				quick = true;
			else if (!strcmp(argv[i], "--smoke"))
				smoke = true;
			else
				arguments.push_back(argv[i]);
		}
		benchmark::AddCustomContext("operation", operation);
		calibrate();
		benchmark::AddCustomContext("stopwatch_ns",
					    std::to_string(double(stopwatch_ticks) * tick_ns));
		benchmark::AddCustomContext("grain_ns",
					    std::to_string(double(clock_grain) * tick_ns));
	}

	/* What x is in the rows of a series. */
	void axis(const std::string &series, const char *x)
	{
		benchmark::AddCustomContext("axis:" + series, x);
	}

	/* The values to run: all of them, or those of a quick run. */
	std::vector<size_t> choose(std::initializer_list<size_t> all,
				   std::initializer_list<size_t> quickly) const
	{
		return quick ? quickly : all;
	}

	bool is_smoke() const
	{
		return smoke;
	}

	/* n, or much less where there is no time for so many. */
	int64_t fewer(int64_t n) const
	{
		if (smoke)
			return n > 1000 ? n / 1000 : 1;
		return quick && n >= 5 ? n / 5 : n;
	}

	/* loop(state, call) is the row's loop; it sets the items processed. */
	template <class function>
	void row(const std::string &series, size_t x, function loop, shape how = shape())
	{
		std::string name = series + "/" + std::to_string(x);
		auto *plain = benchmark::RegisterBenchmark(name.c_str(), [=](auto &state) {
			plain_calls call(state.thread_index());

			loop(state, call);
		});
		name += "/latency";
		auto *timed = benchmark::RegisterBenchmark(name.c_str(), [=](auto &state) {
			timed_calls call(state.thread_index());

			loop(state, call);
			if (state.thread_index() == 0)
				report(state, allocate);
		});

		for (auto *pass : {plain, timed}) {
			pass->Threads(how.threads);
			how.own_clock ? pass->UseManualTime() : pass->UseRealTime();
		}
		if (smoke || how.iterations)
			plain->Iterations(smoke ? 1 : how.iterations);
		else
			plain->MinTime(quick ? 0.01 : 0.05);
		timed->Iterations(timed_iterations(how));
	}

	int run()
	{
		int argc = int(arguments.size());

		benchmark::Initialize(&argc, arguments.data());
		if (benchmark::ReportUnrecognizedArguments(argc, arguments.data()))
			return 2;
		benchmark::RunSpecifiedBenchmarks();
		return 0;
	}

      private:
	int64_t timed_iterations(const shape &how) const
	{
		int64_t iterations = fewer(how.samples) / (how.operations * how.threads);

		if (smoke)
			return 1;
		if (how.iterations)
			return how.iterations;
		return iterations ? iterations : 1;
	}

	/* After the loop: all threads have passed its end.  Leaves the histograms empty. */
	static void report(benchmark::State &state, const char *allocate)
	{
		static histogram sum[KINDS];
		const char *name[KINDS] = {allocate, "free", "touch"};

		for (int i = 0; i < KINDS; i++) {
			sum[i].clear();
			for (histogram *one : recorded) {
				sum[i].add(one[i]);
				one[i].clear();
			}
			if (sum[i].samples())
				report(state, name[i], sum[i]);
		}
	}

	static void report(benchmark::State &state, const std::string &call, const histogram &sum)
	{
		static const struct {
			const char *name;
			double part;
		} quantiles[] = {
			{":p50", 0.5}, {":p99", 0.99}, {":p99.9", 0.999}, {":p99.99", 0.9999}};
		const double enough_above = 9.5;

		for (const auto &q : quantiles)
			if (double(sum.samples()) * (1 - q.part) > enough_above)
				state.counters[call + q.name] =
					double(sum.quantile(q.part)) * tick_ns;
		state.counters[call + ":max"] = double(sum.largest()) * tick_ns;
		state.counters[call + ":samples"] = double(sum.samples());
	}

	const char *allocate;
	bool quick = false;
	bool smoke = false;
	std::vector<char *> arguments;
};

} // namespace micro
