/* Each of the operators of C++ called by its name. */
#pragma once

#include <cstddef>
#include <new>

/* What the compiler must not remove as a pair. */
static void *volatile operator_result;

#define NEW_AND_DELETE(allocate, release)                                                          \
	do {                                                                                       \
		operator_result = allocate;                                                        \
		void *mem = operator_result;                                                       \
		release;                                                                           \
	} while (0)

enum { OPERATOR_PAIRS = 16 };

/* 16 objects, each by another pair. */
static void call_every_operator(std::size_t n)
{
	const std::align_val_t wide{64};

	NEW_AND_DELETE(operator new(n), operator delete(mem));
	NEW_AND_DELETE(operator new(n), operator delete(mem, n));
	NEW_AND_DELETE(operator new(n, std::nothrow), operator delete(mem));
	NEW_AND_DELETE(operator new(n, std::nothrow), operator delete(mem, std::nothrow));
	NEW_AND_DELETE(operator new[](n), operator delete[](mem));
	NEW_AND_DELETE(operator new[](n), operator delete[](mem, n));
	NEW_AND_DELETE(operator new[](n, std::nothrow), operator delete[](mem));
	NEW_AND_DELETE(operator new[](n, std::nothrow), operator delete[](mem, std::nothrow));
	NEW_AND_DELETE(operator new(n, wide), operator delete(mem, wide));
	NEW_AND_DELETE(operator new(n, wide), operator delete(mem, n, wide));
	NEW_AND_DELETE(operator new(n, wide, std::nothrow), operator delete(mem, wide));
	NEW_AND_DELETE(operator new(n, wide, std::nothrow), operator delete(mem, wide,
									    std::nothrow));
	NEW_AND_DELETE(operator new[](n, wide), operator delete[](mem, wide));
	NEW_AND_DELETE(operator new[](n, wide), operator delete[](mem, n, wide));
	NEW_AND_DELETE(operator new[](n, wide, std::nothrow), operator delete[](mem, wide));
	NEW_AND_DELETE(operator new[](n, wide, std::nothrow), operator delete[](mem, wide,
										std::nothrow));
}
