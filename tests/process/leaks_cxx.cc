/* The same as leaks.c with C++'s containers: leaks_cxx KIND. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace
{

std::size_t expected[4]; /* definite bytes and blocks, indirect ones */

struct base {
	virtual ~base() = default;
	long number = 1;
};

struct other {
	virtual ~other() = default;
	long number = 2;
};

/* A pointer to its second base is one into it. */
struct both : base, other {
};

std::map<std::string, std::vector<int>> filled;
std::vector<std::string> *volatile strings;
other *volatile second;
std::shared_ptr<int> shared;
both *volatile array;

__attribute__((noinline)) void containers()
{
	for (int i = 0; i < 100; i++)
		filled["a string that is longer than fits into one " + std::to_string(i)].assign(
			100, i);
	shared = std::make_shared<int>(3);
	strings = new std::vector<std::string>(20, std::string(100, 'x'));
	second = new both;
	array = new both[10];
}

__attribute__((noinline)) void vector()
{
	strings = new std::vector<std::string>(20, std::string(100, 'x'));
	strings = nullptr;
	expected[0] = sizeof(std::vector<std::string>);
	expected[1] = 1;
	expected[2] = 20 * sizeof(std::string) + 20 * 101;
	expected[3] = 21;
}

__attribute__((noinline)) void objects()
{
	second = new both;
	second = nullptr;
	array = new both[10];
	array = nullptr;
	expected[0] = sizeof(both) + 10 * sizeof(both) + sizeof(std::size_t);
	expected[1] = 2;
}

__attribute__((noinline)) void threads()
{
	std::vector<std::thread> all;

	for (int i = 0; i < 4; i++)
		all.emplace_back([] {
			std::string *volatile lost = new std::string(1000, 'y');

			lost = nullptr;
		});
	for (std::thread &thread : all)
		thread.join();
	expected[0] = 4 * sizeof(std::string);
	expected[1] = 4;
	expected[2] = 4 * 1001;
	expected[3] = 4;
}

} // namespace

int main(int argc, char **argv)
{
	if (argc < 2) {
		std::puts("containers vector objects threads");
		return 0;
	}
	if (std::strcmp(argv[1], "containers") == 0)
		containers();
	if (std::strcmp(argv[1], "vector") == 0)
		vector();
	if (std::strcmp(argv[1], "objects") == 0)
		objects();
	if (std::strcmp(argv[1], "threads") == 0)
		threads();
	std::printf("%zu %zu %zu %zu\n", expected[0], expected[1], expected[2], expected[3]);
	return argc > 2 ? std::atoi(argv[2]) : 0;
}
