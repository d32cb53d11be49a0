// templates.cc: what a C++ compiler has to hold in mind: the standard library's large headers,
// each used with many types, and templates that recurse.  TYPES is how many types, at most 40.

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Key {
	int value;
	bool operator<(const Key &other) const
	{
		return value % (N + 2) < other.value % (N + 2);
	}
	bool operator==(const Key &other) const
	{
		return value == other.value;
	}
};

template <int N> struct std::hash<Key<N>> {
	size_t operator()(const Key<N> &key) const
	{
		return key.value * size_t(N * 2 + 1);
	}
};

template <int N> long containers(std::mt19937 &random)
{
	std::map<Key<N>, std::vector<std::string>> by_key;
	std::unordered_map<Key<N>, std::set<std::pair<int, Key<N>>>> by_hash;
	std::deque<std::variant<int, std::string, std::array<Key<N>, N + 1>>> queue;
	std::uniform_int_distribution<int> pick(0, 100 + N);
	for (int i = 0; i < 200; i++) {
		Key<N> key{pick(random)};
		by_key[key].push_back(std::to_string(key.value));
		by_hash[key].emplace(i, key);
		if (i % 3)
			queue.emplace_back(std::in_place_index<1>, by_key[key].back());
		else
			queue.emplace_front(i);
	}
	std::stable_sort(queue.begin(), queue.end(),
			 [](auto &a, auto &b) { return a.index() < b.index(); });
	long sum = 0;
	for (auto &each : queue)
		sum += std::visit(
			[](auto &value) -> long {
				if constexpr (std::is_same_v<std::decay_t<decltype(value)>, int>)
					return value;
				else
					return long(value.size());
			},
			each);
	return sum + long(by_hash.size()) + long(by_key.begin()->second.size());
}

template <int N, class... Types> struct Numbered {
	static auto tuple()
	{
		return Numbered<N - 1, Key<N>, Types...>::tuple();
	}
};

template <class... Types> struct Numbered<0, Types...> {
	static auto tuple()
	{
		return std::tuple<Types...>{};
	}
};

template <class Tuple, size_t... Is> long sum(Tuple &&tuple, std::index_sequence<Is...>)
{
	((std::get<Is>(tuple).value = int(Is)), ...);
	return (0L + ... + std::get<Is>(tuple).value);
}

template <class Char> bool matches(const std::basic_string<Char> &text)
{
	const Char pattern[] = {'(', 'a', '+', ')', '\\', '1', '|',
				'[', 'b', '-', 'y', ']',  '*', 0};
	return std::regex_search(text, std::basic_regex<Char>(pattern));
}

template <size_t... Is> long all(std::index_sequence<Is...>)
{
	std::mt19937 random(7);
	std::vector<std::function<long()>> calls{[&] { return containers<int(Is)>(random); }...};
	return std::accumulate(calls.begin(), calls.end(), 0L,
			       [](long total, auto &call) { return total * 31 + call(); });
}

int main()
{
	long total = all(std::make_index_sequence<TYPES>());
	total += sum(Numbered<TYPES>::tuple(), std::make_index_sequence<TYPES>());
#if TYPES > 8
	total += matches<char>("xaaaa") + matches<wchar_t>(L"xaaaa");
	auto later = std::async(std::launch::async, [] { return std::filesystem::exists("/"); });
	total += later.get();
#endif
	std::cout << total << '\n';
}
