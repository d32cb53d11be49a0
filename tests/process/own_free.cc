/*
 * A program that has a free of its own, and no malloc: operator delete calls it, as that of
 * libstdc++ does.
 */
#include "process.h"

#include <dlfcn.h>

static int freed;

extern "C" void free(void *mem) noexcept
{
	using function = void (*)(void *);
	static function next;

	if (!next)
		next = reinterpret_cast<function>(dlsym(RTLD_NEXT, "free"));
	freed++;
	next(mem);
}

int main()
{
	enum { ROUNDS = 1000 };

	for (int i = 0; i < ROUNDS; i++) {
		int before = freed;
		char *volatile mem = new char;

		delete mem;
		MUST(freed == before + 1);
	}
	return 0;
}
