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

/* Two functions, of which the second is the last of the table and has a long name. */
static void make_symbols(struct elf_symbols *ret_symbols)
{
	static char strings[16 + 2 * SYMBOL_NAME];
	static ElfW(Sym) symbols[3];
	static const uint32_t hashes[] = {1, 1, 1, 0, 0, 0, 1, 2 & ~1u, 4 | 1};

	strcpy(strings + 1, "first");
	memset(strings + 7, 'x', sizeof strings - 8);
	for (size_t i = 1; i < 3; i++)
		symbols[i] = (ElfW(Sym)){.st_name = i == 1 ? 1 : 7,
					 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					 .st_shndx = 1,
					 .st_value = 0x100 * i,
					 .st_size = 0x40};
	*ret_symbols = (struct elf_symbols){
		.base = 0x1000, .symbols = symbols, .strings = strings, .gnu_hash = hashes};
}

TEST(a_function_ends_with_its_last_byte_and_the_table_with_its_last_symbol)
{
	struct elf_symbols s;
	struct symbol symbol;

	make_symbols(&s);
	REQUIRE(symbols_find_in(&s, 0x113f, &symbol));
	EXPECT(strcmp(symbol.name, "first") == 0);
	EXPECT_EQ(symbol.offset, 0x3f);
	EXPECT(!symbols_find_in(&s, 0x1140, &symbol));
	REQUIRE(symbols_find_in(&s, 0x1200, &symbol));
	EXPECT_EQ(strnlen(symbol.name, SYMBOL_NAME), SYMBOL_NAME - 1);
	EXPECT_EQ(symbol.offset, 0);
}

static size_t mappings;

static void count_mapping(const struct mapping *m, void *name)
{
	mappings += strcmp(m->name, name) == 0;
}

static size_t mappings_of(char *name)
{
	mappings = 0;
	REQUIRE(maps_visit(count_mapping, name));
	return mappings;
}

TEST(the_file_does_not_stay_mapped)
{
	const char *address = (const char *)a_static_function;
	struct mapping m;
	struct symbol symbol;
	size_t before;

	REQUIRE(maps_find(address + 1, &m));
	before = mappings_of(m.name);
	EXPECT(symbols_find(&m, address + 1, &symbol));
	EXPECT_EQ(mappings_of(m.name), before);
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

/* This test's file, whose tables may be changed. */
static struct {
	_Alignas(8) char bytes[8 << 20];
	size_t nbytes;
	struct mapping mapping;
	ElfW(Shdr) * symbols, *strings; /* sections */
} own_file;

static ElfW(Ehdr) * own_header(void)
{
	return (ElfW(Ehdr) *)own_file.bytes;
}

static void read_own_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	ssize_t nbytes = read(fd, own_file.bytes, sizeof own_file.bytes);
	ElfW(Shdr) *sections = (ElfW(Shdr) *)(own_file.bytes + own_header()->e_shoff);

	close(fd);
	REQUIRE(nbytes > 0 && (size_t)nbytes < sizeof own_file.bytes);
	REQUIRE(maps_find((const char *)a_static_function + 1, &own_file.mapping));
	own_file.nbytes = (size_t)nbytes;
	for (size_t i = 0; i < own_header()->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB)
			own_file.symbols = &sections[i];
	REQUIRE(own_file.symbols);
	own_file.strings = &sections[own_file.symbols->sh_link];
}

static bool finds_itself(void)
{
	struct symbol symbol;
	bool found;

	os_sim_file(own_file.mapping.name, own_file.bytes, own_file.nbytes);
	found = symbols_find(&own_file.mapping, (const char *)a_static_function + 1, &symbol);
	os_sim_file(NULL, NULL, 0);
	return found;
}

/* Names of all symbols lie far behind the file. */
static void displace_names(void)
{
	ElfW(Sym) *symbols = (ElfW(Sym) *)(own_file.bytes + own_file.symbols->sh_offset);

	for (size_t i = 0; i < own_file.symbols->sh_size / sizeof *symbols; i++)
		symbols[i].st_name = UINT32_MAX;
}

static void load_nothing(void)
{
	ElfW(Phdr) *segments = (ElfW(Phdr) *)(own_file.bytes + own_header()->e_phoff);

	for (size_t i = 0; i < own_header()->e_phnum; i++)
		segments[i].p_filesz = 0;
}

TEST(what_tables_say_is_behind_the_end_is_not_read)
{
	read_own_file();
	REQUIRE(finds_itself());
	own_file.symbols->sh_size = (size_t)1 << 40;
	EXPECT(!finds_itself());
	read_own_file();
	own_file.symbols->sh_offset += 4;
	EXPECT(!finds_itself());
	read_own_file();
	own_file.symbols->sh_link = UINT32_MAX;
	EXPECT(!finds_itself());
	read_own_file();
	own_file.strings->sh_size = (size_t)1 << 40;
	EXPECT(!finds_itself());
	read_own_file();
	own_file.strings->sh_offset = (size_t)1 << 40;
	EXPECT(!finds_itself());
	read_own_file();
	displace_names();
	EXPECT(!finds_itself());
	read_own_file();
	load_nothing();
	EXPECT(!finds_itself());
	read_own_file();
	own_header()->e_ident[EI_CLASS] = ELFCLASS32;
	EXPECT(!finds_itself());
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
