/*
 * A library's functions under names like libc's are called, whether loam is preloaded, or linked as
 * the shared library or as the archive.
 */
#include "lib_names.h"
#include "test.h"

TEST(a_library_keeps_its_own_functions)
{
	EXPECT_EQ(lib_names_run(), 6);
}
