/* Names of functions, from the file of this test and from files that are damaged. */
#include "report/symbols.h"

#include "os/files.h"
#include "os_sim.h"
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
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
	REQUIRE(symbols_find(&m, address + 1, &symbol));
	EXPECT(strcmp(symbol.name, "a_static_function") == 0);
	EXPECT_EQ(symbol.offset, 1);
}

TEST(a_function_of_a_library_has_its_name)
{
	struct mapping m;
	struct symbol symbol;

	REQUIRE(maps_find((const char *)(uintptr_t)printf + 1, &m));
	if (strstr(m.name, "libc")) { /* else the address is that of this program's call */
		REQUIRE(symbols_find(&m, (const char *)(uintptr_t)printf + 1, &symbol));
		EXPECT(strstr(symbol.name, "printf") != NULL);
	}
}

/* The call is the last of its function, and what it returns to the first of the next. */
TEST(a_return_address_belongs_to_the_call_before_it)
{
	const void *start = (const void *)(uintptr_t)a_static_function;
	struct mapping m;
	struct symbol symbol;

	REQUIRE(maps_find(start, &m));
	EXPECT(!symbols_find(&m, start, &symbol) || strcmp(symbol.name, "a_static_function") != 0);
}

/* Copies a file, and gives the copy's name. */
static const char *copy_of(const char *path)
{
	static char copy[] = "/tmp/loam-symbols-XXXXXX";
	static char buffer[65536];
	int from = open(path, O_RDONLY), to = mkstemp(copy);
	ssize_t n;

	REQUIRE(from >= 0 && to >= 0);
	while ((n = read(from, buffer, sizeof buffer)) > 0)
		REQUIRE(write(to, buffer, (size_t)n) == n);
	close(from);
	close(to);
	return copy;
}

TEST(a_library_whose_file_is_gone_still_has_what_it_exports)
{
	const struct link_map *map = dlopen("libm.so.6", RTLD_NOW);
	const char *path;
	struct mapping m;
	struct symbol symbol;
	char *function;
	void *library;

	REQUIRE(map);
	path = copy_of(map->l_name);
	library = dlopen(path, RTLD_NOW);
	unlink(path);
	REQUIRE(library);
	function = dlsym(library, "frexp");
	REQUIRE(function && maps_find(function + 3, &m));
	EXPECT_STR(m.name, "(deleted)");
	REQUIRE(symbols_find(&m, function + 3, &symbol));
	EXPECT(strncmp(symbol.name, "frexp", 5) == 0);
	EXPECT_EQ(symbol.offset, 3);
}

/* Names all over the table, whose order is that of their hashes. */
TEST(the_function_of_libc_around_an_address_is_found)
{
	static const char *const names[] = {"qsort", "printf", "strtol", "write",
					    "fopen", "getenv", "abort",	 "bsearch"};
	const struct link_map *map = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct elf_symbols s = {0};
	struct symbol symbol;

	REQUIRE(map);
	elf_read(&s, map->l_addr, map->l_ld);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		uintptr_t function = elf_function(&s, names[i]);

		REQUIRE(function);
		for (size_t offset = 0; offset < 4; offset++) {
			REQUIRE(symbols_find_in(&s, function + offset, &symbol));
			EXPECT_EQ(symbol.offset, offset);
			EXPECT(strstr(symbol.name, names[i]) != NULL);
		}
		REQUIRE(!symbols_find_in(&s, function - 1, &symbol) || symbol.offset > 3);
	}
	EXPECT(!symbols_find_in(&s, s.base + 1, &symbol));
}

TEST(what_is_in_no_file_has_none)
{
	struct mapping m;
	struct symbol symbol;
	int local = 0;

	REQUIRE(maps_find(&local, &m));
	EXPECT(!symbols_find(&m, &local, &symbol));
	snprintf(m.name, sizeof m.name, "/no/such/file");
	EXPECT(!symbols_find(&m, &local, &symbol));
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

	REQUIRE(fd >= 0 && nbytes > 1000 &&
		maps_find((const void *)(uintptr_t)a_static_function, &m));
	strcpy(m.name, path);
	for (int i = 0; i < 300; i++) {
		size_t header = test_random(&random) % 64;
		unsigned char before = bytes[header];

		bytes[header] = (unsigned char)test_random(&random);
		REQUIRE(pwrite(fd, bytes, (size_t)nbytes, 0) == nbytes);
		REQUIRE(ftruncate(fd, (off_t)(i % 2 ? (uint64_t)nbytes
						    : test_random(&random) % (uint64_t)nbytes)) ==
			0);
		symbols_find(&m, (const char *)a_static_function + 1, &symbol);
		bytes[header] = before;
	}
	unlink(path);
	close(fd);
	close(self);
}

/* A file of the size that a program has, cut off anywhere. */
TEST(of_a_file_that_is_cut_off_nothing_behind_its_end_is_read)
{
	struct mapping m;
	struct symbol symbol;
	size_t nbytes, page = (size_t)sysconf(_SC_PAGESIZE);
	const void *address = (const char *)a_static_function + 1;
	const char *bytes;

	REQUIRE(maps_find(address, &m));
	bytes = os_map_file(m.name, &nbytes);
	REQUIRE(bytes);
	for (size_t n = 0; n < nbytes; n += n < 2 * page ? 61 : page) {
		os_sim_file(m.name, bytes, n);
		symbols_find(&m, address, &symbol); /* whatever it finds, it does not fault */
	}
	os_sim_file(m.name, bytes, nbytes);
	EXPECT(symbols_find(&m, address, &symbol));
	os_sim_file(NULL, NULL, 0);
	os_unmap_file(bytes, nbytes);
}

TEST(where_no_file_can_be_opened_what_is_in_memory_is_asked)
{
	struct mapping m;
	struct symbol symbol;

	REQUIRE(maps_find((const char *)a_static_function + 1, &m));
	os_sim_refuse(OS_SIM_FILES, EMFILE);
	EXPECT(!symbols_find(&m, (const char *)a_static_function + 1, &symbol)); /* not exported */
	os_sim_refuse(OS_SIM_FILES, 0);
	EXPECT_EQ(os_sim_open_files(), 0);
}
