/*
 * A program that replaces some operators of C++, and puts a header before each object: all others
 *go through these, as those of libstdc++ do.
 *
 *	OWN_ONE    operator new(size), operator delete(pointer), and those with an alignment
 *	OWN_ARRAY  the same, and operator new[](size), operator delete[](pointer) by themselves
 */
#include "every_operator.h"
#include "process.h"

static int made, gone, arrays_made, arrays_gone;

static void *make(std::size_t n, std::size_t header)
{
	char *mem = static_cast<char *>(std::aligned_alloc(header, (n / header + 2) * header));

	MUST(mem);
	return mem + header;
}

static void end(void *mem, std::size_t header)
{
	std::free(static_cast<char *>(mem) - header);
}

enum : std::size_t { HEADER = 16, WIDE_HEADER = 64, ARRAY_HEADER = 32 };

void *operator new(std::size_t n)
{
	made++;
	if (n > std::size_t(-1) / 4)
		throw std::bad_alloc();
	return make(n, HEADER);
}

void operator delete(void *mem) noexcept
{
	gone++;
	end(mem, HEADER);
}

void *operator new(std::size_t n, std::align_val_t)
{
	made++;
	return make(n, WIDE_HEADER);
}

void operator delete(void *mem, std::align_val_t) noexcept
{
	gone++;
	end(mem, WIDE_HEADER);
}

#ifdef OWN_ARRAY
void *operator new[](std::size_t n)
{
	arrays_made++;
	return make(n, ARRAY_HEADER);
}

void operator delete[](void *mem) noexcept
{
	arrays_gone++;
	end(mem, ARRAY_HEADER);
}

enum { PLAIN_ARRAYS = 4 };
#else
enum { PLAIN_ARRAYS = 0 };
#endif

int main()
{
	enum { ROUNDS = 1000 };

	for (int i = 0; i < ROUNDS; i++)
		call_every_operator(std::size_t(i % 200));
	MUST(made == ROUNDS * (OPERATOR_PAIRS - PLAIN_ARRAYS) && gone == made);
	MUST(arrays_made == ROUNDS * PLAIN_ARRAYS && arrays_gone == arrays_made);
	MUST(operator new(std::size_t(-1) / 2, std::nothrow) == nullptr);
	return 0;
}
