/* The symbols of mapped objects: libc's, by the hash that it has, and the vdso's. */
#include "os/elf.h"

#include "test.h"

#include <dlfcn.h>
#include <stdlib.h>
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

/* As gVisor's is linked. */
#define FAR ((uintptr_t)-9 << 20)

static void move_dynamic(ElfW(Dyn) * d)
{
	for (; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_SYMTAB || d->d_tag == DT_STRTAB || d->d_tag == DT_HASH ||
		    d->d_tag == DT_GNU_HASH || d->d_tag == DT_VERSYM)
			d->d_un.d_ptr += FAR;
}

/* Gives an object's image other addresses. */
static void move_far(char *image)
{
	ElfW(Ehdr) *header = (ElfW(Ehdr) *)image;
	ElfW(Phdr) *segment = (ElfW(Phdr) *)(image + header->e_phoff);

	for (int i = 0; i < header->e_phnum; i++, segment++) {
		if (segment->p_type == PT_DYNAMIC)
			move_dynamic((ElfW(Dyn) *)(image + segment->p_vaddr));
		segment->p_vaddr += FAR;
	}
}

TEST(a_vdso_that_is_linked_at_the_end_of_all_addresses_is_read)
{
	const ElfW(Ehdr) *vdso = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);
	struct elf_symbols s, moved;
	size_t nbytes;
	char *copy;

	if (!vdso)
		test_skip("the system has no vdso");
	nbytes = vdso->e_shoff + (size_t)vdso->e_shnum * vdso->e_shentsize;
	REQUIRE(copy = aligned_alloc(4096, (nbytes + 4095) / 4096 * 4096));
	memcpy(copy, vdso, nbytes);
	REQUIRE(elf_read_header(&s, (ElfW(Ehdr) *)copy));
	move_far(copy);
	REQUIRE(elf_read_header(&moved, (ElfW(Ehdr) *)copy));
	EXPECT_EQ(moved.base + FAR, s.base);
	EXPECT_EQ((uintptr_t)moved.symbols, (uintptr_t)s.symbols);
	EXPECT_EQ((uintptr_t)moved.strings, (uintptr_t)s.strings);
	EXPECT_EQ((uintptr_t)moved.gnu_hash, (uintptr_t)s.gnu_hash);
	EXPECT_EQ((uintptr_t)moved.sysv_hash, (uintptr_t)s.sysv_hash);
	free(copy);
}

/* As assemblers leave it where nobody says that it is a function. */
TEST(a_symbol_without_a_type_is_a_definition)
{
	ElfW(Sym) symbols[2] = {
		[1] = {.st_name = 1, .st_info = STT_NOTYPE, .st_shndx = 1, .st_value = 16}};
	struct elf_symbols s = {.base = 4096,
				.symbols = symbols,
				.strings = "\0name",
				.sysv_hash = (const uint32_t[]){1, 2}};

	EXPECT_EQ(elf_definition(&s, "name"), 4112);
	EXPECT_EQ(elf_function(&s, "name"), 0);
}

TEST(an_object_without_symbols_has_none)
{
	struct elf_symbols s;

	elf_read(&s, 0, NULL); /* a static program's, of which the dynamic linker was told */
	EXPECT_EQ(elf_definition(&s, "name"), 0);
	s = (struct elf_symbols){.symbols = &(ElfW(Sym)){0},
				 .strings = "",
				 .gnu_hash = (const uint32_t[]){0, 1, 0, 0}};
	EXPECT_EQ(elf_definition(&s, "name"), 0);
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
