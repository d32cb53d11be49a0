/* What new does in a library in C++ when there is no memory. */
#pragma once

#include <new>
#include <string>

/* 0: it throws, or returns NULL, here and in the C++ runtime; else which one did not. */
static inline int refused()
{
	static volatile std::size_t most = static_cast<std::size_t>(-1) / 4;

	try {
		::operator delete(::operator new(most));
		return 1;
	} catch (const std::bad_alloc &) {
	}
	if (::operator new(most, std::nothrow))
		return 2;
	try {
		std::string string;

		string.resize(most / 2); /* of which libstdc++ has the code */
		return 3;
	} catch (const std::bad_alloc &) {
	}
	return 0;
}
