/* A plugin that libloam.a is part of, and that calls operators of C++. */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <loam/loam.h>

struct alignas(256) aligned {
	char bytes[256];
};

/* Whether objects go and come, and blocks of the process's malloc go back to it. */
extern "C" bool use_operators()
{
	aligned *volatile one = new aligned, *volatile many = new aligned[10];
	int *volatile plain = new int;
	char *const string = strdup("the process's"), *const grown = strdup("the process's");
	bool well = reinterpret_cast<std::uintptr_t>(one) % 256 == 0 &&
		    loam_malloc_usable_size(string) >= 14;
	char *const moved = static_cast<char *>(loam_realloc(grown, 100000));

	delete one;
	delete[] many;
	delete plain;
	loam_free(string);
	well = well && !strcmp(moved, "the process's");
	loam_free(moved);
	free(std::malloc(100));
	return well && loam_check();
}
