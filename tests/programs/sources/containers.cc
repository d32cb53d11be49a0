// Many containers, strings and closures: much for a compiler to instantiate, and a program that
// allocates through operator new in several threads, throws and aligns.
#include <algorithm>
#include <any>
#include <deque>
#include <functional>
#include <future>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct alignas(N % 3 == 0 ? 64 : 16) Cell {
	std::string name = std::string(N % 50, 'a' + N % 26);
	std::variant<int, std::string, std::vector<int>> value = N;
	std::map<std::string, std::list<std::tuple<int, double, std::string>>> table;
	bool operator<(const Cell &other) const
	{
		return name < other.name;
	}
};

template <int N> size_t fill(unsigned seed)
{
	std::vector<Cell<N>> cells(20 + N);
	std::deque<std::unique_ptr<Cell<N>>> held;
	std::unordered_map<std::string, std::shared_ptr<std::set<int>>> index;
	for (auto &cell : cells) {
		seed = seed * 1103515245 + 12345;
		cell.table["k" + std::to_string(seed >> 16 & 31)].emplace_back(N, seed, "v");
		if (seed & 1 << 20)
			cell.value = std::vector<int>(seed >> 24, N);
		held.push_back(std::make_unique<Cell<N>>(cell));
		auto &set = index[cell.table.begin()->first];
		if (!set)
			set = std::make_shared<std::set<int>>();
		set->insert(seed >> 8 & 255);
		if (held.size() > 9)
			held.pop_front();
		if (reinterpret_cast<uintptr_t>(held.back().get()) % alignof(Cell<N>))
			throw std::logic_error("misaligned");
	}
	std::stable_sort(cells.begin(), cells.end());
	size_t sum = 0;
	for (auto &[key, set] : index)
		sum += key.size() * set->size();
	for (auto &cell : cells)
		sum += std::visit([](auto &v) { return sizeof v; }, cell.value);
	return sum;
}

template <int... N> size_t fill_all(std::integer_sequence<int, N...>, unsigned seed)
{
	return (fill<N>(seed + N) + ...);
}

static size_t thrown()
{
	size_t caught = 0;
	for (int i = 0; i < 2000; i++)
		try {
			std::vector<std::any> held(i % 40, std::string(100, 'x'));
			throw std::runtime_error(std::string(i % 300, 'e'));
		} catch (const std::exception &error) {
			caught += std::string(error.what()).size();
		}
	return caught;
}

int main()
{
	std::vector<std::future<size_t>> answers;
	for (unsigned n = 0; n < 8; n++)
		answers.push_back(std::async(std::launch::async, [n] {
			size_t sum = 0;
			for (unsigned round = 0; round < 100; round++)
				sum += fill_all(std::make_integer_sequence<int, 8>(),
						n * 100 + round);
			return sum;
		}));
	for (auto &answer : answers)
		std::cout << answer.get() << '\n';
	std::cout << thrown() << '\n';

	std::pmr::monotonic_buffer_resource pool;
	std::pmr::map<int, std::pmr::string> map(&pool);
	std::ostringstream text;
	for (int i = 0; i < 5000; i++)
		text << (map[i * 7919 % 1009] += "ab");
	const std::string all = text.str();
	std::function<size_t(size_t)> count = [&](size_t n) {
		return n ? 1 + count(n - 1) : map.size();
	};
	std::cout << all.size() << ' ' << count(1000) << '\n';
	std::regex pair("(a)(b+)a");
	std::cout << std::regex_replace(all.substr(0, 2000), pair, "$2").size() << '\n';
}
