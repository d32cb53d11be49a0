/* A C++ program with the allocator linked in: the operators, containers, exceptions and threads. */
#include "process.h"

#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

extern "C" bool loam_owns(const void *mem);

struct alignas(128) wide {
	char bytes[128];
};

static void work()
{
	std::map<int, std::string> words;

	for (int i = 0; i < 10000; i++)
		words[i * 7919 % 10007] = std::string(size_t(i % 300), 'w');
	MUST(words.size() == 10000);
}

static volatile size_t impossible = size_t(1) << 60;

int main()
{
	auto one = std::make_unique<int>(1);
	std::vector<wide> aligned(100);
	std::vector<std::thread> threads;
	bool thrown = false;

	MUST(loam_owns(one.get()) && loam_owns(aligned.data()));
	MUST(uintptr_t(aligned.data()) % 128 == 0);
	try {
		char *volatile none = new char[impossible];

		delete[] none;
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	MUST(thrown);
	for (int t = 0; t < 4; t++)
		threads.emplace_back(work);
	for (auto &thread : threads)
		thread.join();
	work();
	return 0;
}
