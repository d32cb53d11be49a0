/* Calls that change mappings: the kernel's results, and errno as it was, before and after libc's
   code
 * is found. */
#include "os/calls.h"

#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES  8
#define NBYTES ((size_t)PAGES * 65536)

static void expect_the_calls(void)
{
	char *mem = (char *)call_mmap(NULL, NBYTES, PROT_READ | PROT_WRITE, 0), *moved;

	REQUIRE((uintptr_t)mem < -4096ul);
	mem[0] = 1;
	EXPECT_EQ(call_madvise(mem, NBYTES, MADV_DONTNEED), 0);
	EXPECT_EQ(mem[0], 0);
	mem[0] = 2;
	moved = (char *)call_mremap(mem, NBYTES, 2 * NBYTES, MREMAP_MAYMOVE, NULL);
	REQUIRE((uintptr_t)moved < -4096ul);
	EXPECT_EQ(moved[0], 2);
	mem = (char *)call_mmap(NULL, 2 * NBYTES, PROT_NONE, MAP_NORESERVE);
	EXPECT(call_mremap(moved, 2 * NBYTES, 2 * NBYTES, MREMAP_MAYMOVE | MREMAP_FIXED, mem) ==
	       (long)mem);
	EXPECT_EQ(mem[0], 2);
	EXPECT_EQ(call_munmap(mem, 2 * NBYTES), 0);
	if (!test_emulated) /* then it is refused in silence */
		EXPECT_EQ(call_madvise(mem, NBYTES, MADV_DONTNEED), -ENOMEM);
}

static void expect_refusals(void)
{
	EXPECT_EQ(call_mmap(NULL, 0, PROT_READ, 0), -EINVAL);
	EXPECT_EQ(call_munmap((void *)1, NBYTES), -EINVAL);
	EXPECT_EQ(call_mremap((void *)1, NBYTES, NBYTES, 0, NULL), -EINVAL);
	EXPECT_EQ(call_madvise((void *)1, NBYTES, MADV_DONTNEED), -EINVAL);
}

TEST(by_the_system)
{
	errno = 77;
	expect_the_calls();
	expect_refusals();
	EXPECT_EQ(errno, 77);
	EXPECT_EQ(call_sbrk(0), -ENOSYS);
}

TEST(by_libc)
{
	char *end;

	calls_start();
	errno = 77;
	expect_the_calls();
	expect_refusals();
	end = (char *)call_sbrk(0);
	EXPECT(sbrk(0) == end);
	EXPECT_EQ(call_sbrk(65536), (long)end);
	EXPECT(sbrk(0) == end + 65536);
	EXPECT_EQ(call_sbrk(-65536), (long)end + 65536);
	EXPECT_EQ(call_sbrk(INTPTR_MAX), -ENOMEM);
	EXPECT_EQ(errno, 77);
}
