/*
 * A program that has an operator new[] of its own, for profiles: its plain operator new is loam's.
 *
 * It prints as profiled.c does: alpha holds 8 MiB in objects of 96 bytes.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <unistd.h>

static constexpr std::size_t SIZE = 96, HELD = (8 << 20) / SIZE * SIZE;

void *operator new[](std::size_t nbytes)
{
	void *mem = std::malloc(nbytes);

	if (!mem)
		throw std::bad_alloc();
	return mem;
}

void operator delete[](void *mem) noexcept
{
	std::free(mem);
}

void operator delete[](void *mem, std::size_t) noexcept
{
	std::free(mem);
}

/* A list of them; no call is a tail call. */
extern "C" __attribute__((noinline)) void *alpha()
{
	void *first = nullptr;

	for (std::size_t n = 0; n < HELD; n += SIZE) {
		void **next = static_cast<void **>(::operator new(SIZE));

		*next = first;
		first = next;
	}
	__asm__ volatile("" : "+r"(first));
	return first;
}

int main()
{
	static void *volatile held;
	char byte;

	held = alpha();
	std::printf("%d alpha %zu %zu\nready\n", static_cast<int>(getpid()), HELD, HELD);
	std::fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	return held == nullptr;
}
