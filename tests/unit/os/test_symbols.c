/* Names of functions, from the file of this test and from files that are damaged. */
#include "os/symbols.h"

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static __attribute__((noinline)) int a_static_function(void)
{
	__asm__ volatile("");
	return 7;
}

TEST(a_static_function_has_its_name)
{
	const char *address = (const char *)a_static_function;
	struct mapping m;
	struct symbol symbol;

	REQUIRE(a_static_function() == 7 && maps_find(address + 1, &m));
	REQUIRE(symbols_find(&m, &symbol));
	EXPECT(strcmp(symbol.name, "a_static_function") == 0);
	EXPECT_EQ(symbol.offset, 1);
}

TEST(a_function_of_a_library_has_its_name)
{
	struct mapping m;
	struct symbol symbol;

	REQUIRE(maps_find((const void *)(uintptr_t)printf, &m));
	if (strstr(m.name, "libc")) { /* else the address is that of this program's call */
		REQUIRE(symbols_find(&m, &symbol));
		EXPECT(strstr(symbol.name, "printf") != NULL);
	}
}

TEST(what_is_in_no_file_has_none)
{
	struct mapping m;
	struct symbol symbol;
	int local = 0;

	REQUIRE(maps_find(&local, &m));
	EXPECT(!symbols_find(&m, &symbol));
	snprintf(m.name, sizeof m.name, "/no/such/file");
	EXPECT(!symbols_find(&m, &symbol));
}

/* Every size and every damaged byte must do no more than find nothing, or something else. */
TEST(damaged_files_do_no_harm)
{
	static unsigned char bytes[4 << 20];
	char path[] = "/tmp/loam-symbols-XXXXXX";
	struct mapping m;
	struct symbol symbol;
	uint64_t random = test_seed();
	int self = open("/proc/self/exe", O_RDONLY), fd = mkstemp(path);
	ssize_t nbytes = read(self, bytes, sizeof bytes);

	REQUIRE(fd >= 0 && nbytes > 1000 && maps_find((const void *)(uintptr_t)a_static_function, &m));
	strcpy(m.name, path);
	for (int i = 0; i < 300; i++) {
		size_t header = test_random(&random) % 64;
		unsigned char before = bytes[header];

		bytes[header] = (unsigned char)test_random(&random);
		REQUIRE(pwrite(fd, bytes, (size_t)nbytes, 0) == nbytes);
		REQUIRE(ftruncate(fd, (off_t)(i % 2 ? (uint64_t)nbytes : test_random(&random) % (uint64_t)nbytes)) == 0);
		symbols_find(&m, &symbol);
		bytes[header] = before;
	}
	unlink(path);
	close(fd);
	close(self);
}
