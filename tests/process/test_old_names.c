/* Programs of old ask for cfree by the version that libc had it under: they are given loam's. */
#include "test.h"

#include <malloc.h>
#include <stdlib.h>

void old_cfree(void *mem);
__asm__(".symver old_cfree,cfree@" OLDEST_GLIBC);

TEST(programs_of_old_have_cfree)
{
	void *volatile mem = malloc(5 << 20);
	size_t before = mallinfo2().hblkhd;

	old_cfree(mem);
	EXPECT(mallinfo2().hblkhd < before);
}
