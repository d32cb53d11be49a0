/*
 * The end of a thread in C++: thread_local objects whose destructors use memory, registered
 * before and after the thread's first allocation, and from within each other.
 */
#define _Noreturn [[noreturn]]
extern "C" {
#include "test.h"
}

#include "process.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

extern "C" int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *dso);
extern "C" void *__dso_handle;

enum { THREADS = 200, AT_ONCE = 4 };

static std::atomic<int> destroyed;

/* Everything that its destructor does uses memory, and another object may be born in it. */
struct born_late {
	std::vector<std::string> words;
	born_late() : words(20, std::string(300, 'w'))
	{
	}
	~born_late()
	{
		std::map<int, std::string> more;

		for (int i = 0; i < 50; i++)
			more[i] = std::string(size_t(i) * 40, 'm');
		MUST(words.size() == 20 && words[19].size() == 300);
		words.resize(100, "more");
		destroyed++;
	}
	void touch()
	{
		words[0][0]++;
	}
};

struct born_early {
	std::unique_ptr<char[]> text;
	~born_early();
};

/* The forced unwinding of a thread that ends is no exception that operator new may catch. */
static void end_thread()
{
	pthread_exit(&destroyed);
}

static void *end_in_handler(void *unused)
{
	volatile size_t too_large = SIZE_MAX / 2;
	void *mem = operator new(too_large, std::nothrow);

	operator delete(mem);
	return unused;
}

TEST(a_thread_may_end_in_a_new_handler)
{
	pthread_t thread;
	void *result = nullptr;

	std::set_new_handler(end_thread);
	MUST(pthread_create(&thread, nullptr, end_in_handler, nullptr) == 0);
	MUST(pthread_join(thread, &result) == 0);
	std::set_new_handler(nullptr);
	EXPECT(result == &destroyed);
}

static thread_local born_late late;
static thread_local born_early early;

born_early::~born_early()
{
	late.touch();
	allocate_every_size();
	destroyed++;
}

static void free_block_at_last(void *mem)
{
	free(mem);
	allocate_every_size();
	destroyed++;
}

static void *blocks_made_by_main[THREADS];

/* The first destructor registered runs last: after one that the allocator registers in malloc. */
static void live(int t)
{
	__cxa_thread_atexit_impl(free_block_at_last, blocks_made_by_main[t], &__dso_handle);
	early.text.reset(new char[5000]);
	if (t % 2)
		late.touch();
}

TEST(thread_local_destructors_use_memory)
{
	for (int t = 0; t < THREADS; t += AT_ONCE) {
		std::vector<std::thread> threads;

		for (int i = t; i < t + AT_ONCE; i++) {
			blocks_made_by_main[i] = malloc(size_t(i) * 10 + 1);
			threads.emplace_back(live, i);
		}
		for (std::thread &thread : threads)
			thread.join();
	}
	EXPECT_EQ(destroyed.load(), 3 * THREADS);
}

static void free_cell(void *cell)
{
	std::unique_ptr<void *> owned(static_cast<void **>(cell));

	free(*owned);
	destroyed++;
}

/* A thread whose very first allocation happens in its last destructor. */
static void allocate_at_last(void *)
{
	void **cell = new void *(malloc(777));

	__cxa_thread_atexit_impl(free_cell, cell, &__dso_handle);
	allocate_every_size();
	destroyed++;
}

TEST(first_allocation_in_a_destructor)
{
	destroyed = 0;
	for (int t = 0; t < THREADS; t++)
		std::thread([] {
			__cxa_thread_atexit_impl(allocate_at_last, nullptr, &__dso_handle);
		}).join();
	EXPECT_EQ(destroyed.load(), 2 * THREADS);
}
