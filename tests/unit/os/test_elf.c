/* The symbols of mapped objects: libc's, by the hash that it has, and the vdso's. */
#include "os/elf.h"

#include "test.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/auxv.h>

static struct elf_symbols symbols_of(const char *library)
{
	const struct link_map *map = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
	struct elf_symbols s = {0};

	REQUIRE(map);
	elf_read(&s, map->l_addr, map->l_ld);
	return s;
}

/* How many functions of libc that it has for everybody are found, by their names, where they
   lie. */
static unsigned found_in(const struct elf_symbols *s, uint32_t nsymbols)
{
	unsigned found = 0;

	for (uint32_t i = 1; i < nsymbols; i++) {
		const ElfW(Sym) *symbol = &s->symbols[i];

		if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
		    s->versions[i] & 0x8000)
			continue;
		EXPECT_EQ(elf_function(s, s->strings + symbol->st_name),
			  s->base + symbol->st_value);
		found++;
	}
	return found;
}

/* As many as the chains of the hash end with. */
static uint32_t symbols_in(const struct elf_symbols *s)
{
	const uint32_t *buckets = s->gnu_hash + 4 + 2 * s->gnu_hash[2];
	const uint32_t *hashes = buckets + s->gnu_hash[0];
	uint32_t last = 0;

	for (uint32_t b = 0; b < s->gnu_hash[0]; b++)
		if (buckets[b] > last)
			last = buckets[b];
	while (!(hashes[last - s->gnu_hash[1]] & 1))
		last++;
	return last + 1;
}

TEST(all_of_libc_s_functions_are_found)
{
	struct elf_symbols s = symbols_of("libc.so.6");

	REQUIRE(s.gnu_hash && s.versions);
	EXPECT_STR(s.soname, "libc.so.6");
	EXPECT(found_in(&s, symbols_in(&s)) > 1000);
}

TEST(old_versions_are_not_found)
{
	struct elf_symbols s = symbols_of("libc.so.6");

	EXPECT_EQ(elf_function(&s, "malloc_get_state"), 0); /* for old programs alone */
	EXPECT_EQ(elf_function(&s, "memcpy"), 0);	    /* IFUNC, and an old one */
}

TEST(a_definition_is_found_in_any_version)
{
	struct elf_symbols s = symbols_of("libc.so.6");

	/* for programs of old alone */
	EXPECT_EQ(elf_definition(&s, "cfree"), elf_function(&s, "free"));
	EXPECT_EQ(elf_definition(&s, "free"), elf_function(&s, "free"));
	EXPECT_EQ(elf_definition(&s, "no_such_function"), 0);
}

TEST(the_old_hash_serves_where_there_is_no_other)
{
	uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
	struct elf_symbols s;

	if (!vdso)
		test_skip("no vdso");
	REQUIRE(elf_read_header(&s, (const ElfW(Ehdr) *)vdso));
	if (!s.sysv_hash)
		test_skip("no DT_HASH");
	for (uint32_t i = 1; i < s.sysv_hash[1]; i++) {
		const char *name = s.strings + s.symbols[i].st_name;
		uintptr_t by_gnu = elf_function(&s, name);
		const uint32_t *gnu_hash = s.gnu_hash;

		s.gnu_hash = NULL;
		EXPECT_EQ(elf_function(&s, name) != 0,
			  ELF64_ST_TYPE(s.symbols[i].st_info) == STT_FUNC);
		if (gnu_hash)
			EXPECT_EQ(elf_function(&s, name), by_gnu);
		s.gnu_hash = gnu_hash;
	}
	s.gnu_hash = s.sysv_hash = NULL;
	EXPECT_EQ(elf_function(&s, "__vdso_clock_gettime"), 0);
}

TEST(strings)
{
	EXPECT(elf_same_string("", ""));
	EXPECT(elf_same_string("sbrk", "sbrk"));
	EXPECT(!elf_same_string("sbrk", "sbr"));
	EXPECT(!elf_same_string("sbr", "sbrk"));
	EXPECT(!elf_same_string("", "sbrk"));
}
