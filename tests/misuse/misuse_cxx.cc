// What programs do wrong by mistake, in C++.
#include "cases.h"

#include <new>

CASE(delete_twice)
{
	int *mem = static_cast<int *>(unknown(new int(1)));

	delete mem;
	delete static_cast<int *>(unknown(mem));
}

CASE(delete_of_stack)
{
	alignas(16) int mem[8] = {};

	::operator delete(unknown(mem + 4));
}

CASE(delete_array_inside)
{
	char *mem = static_cast<char *>(unknown(new char[200]));

	delete[] static_cast<char *>(unknown(mem + 64));
}

CASE(delete_with_another_size)
{
	void *mem = unknown(::operator new(40));

	::operator delete(mem, static_cast<std::size_t>(400));
}

CASE(delete_of_another_type)
{
	struct Small {
		char bytes[16];
	};
	struct Large {
		char bytes[400];
	};

	delete static_cast<Small *>(unknown(new Large()));
}

CASE(delete_array_as_object)
{
	struct Thing {
		~Thing()
		{
			thing = 0;
		}
		int thing;
	};

	delete static_cast<Thing *>(unknown(new Thing[3]));
}

CASE(new_overflow_by_8)
{
	char *mem = static_cast<char *>(unknown(new char[40])), *next = new char[40];

	memset(static_cast<char *>(unknown(mem + 40)), 'y', 16);
	delete[] mem;
	delete[] static_cast<char *>(unknown(next));
}
