/* Symbols of a mapped object; see elf.h. */
#include "os/elf.h"

#include "base/text.h"

#define HIDDEN_VERSION 0x8000 /* an old one, for programs that ask for it by name */

/* The dynamic linker's.  A static program has none, or one without libc. */
extern struct r_debug _r_debug __attribute__((weak));

static uintptr_t distance(uintptr_t a, uintptr_t b)
{
	return a - b < b - a ? a - b : b - a;
}

/* The dynamic linker writes addresses over those of the file, but not in the vdso's, which some
   systems (gVisor) link at the end of all addresses. The right one is near the section itself. */
static uintptr_t address_of(uintptr_t base, const ElfW(Dyn) * d)
{
	uintptr_t written = d->d_un.d_ptr, moved = base + written, here = (uintptr_t)d;

	return distance(written, here) <= distance(moved, here) ? written : moved;
}

void elf_read(struct elf_symbols *ret_symbols, uintptr_t base, const ElfW(Dyn) * dynamic)
{
	struct elf_symbols s = {.base = base};
	const ElfW(Dyn) *soname = NULL;

	for (const ElfW(Dyn) *d = dynamic; d && d->d_tag != DT_NULL; d++) {
		uintptr_t address = address_of(base, d);

		if (d->d_tag == DT_SYMTAB)
			s.symbols = (const ElfW(Sym) *)address;
		else if (d->d_tag == DT_STRTAB)
			s.strings = (const char *)address;
		else if (d->d_tag == DT_GNU_HASH)
			s.gnu_hash = (const uint32_t *)address;
		else if (d->d_tag == DT_HASH)
			s.sysv_hash = (const uint32_t *)address;
		else if (d->d_tag == DT_VERSYM)
			s.versions = (const uint16_t *)address;
		else if (d->d_tag == DT_SONAME)
			soname = d;
	}
	if (soname && s.strings)
		s.soname = s.strings + soname->d_un.d_val;
	*ret_symbols = s;
}

bool elf_read_header(struct elf_symbols *ret_symbols, const ElfW(Ehdr) * header)
{
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)((uintptr_t)header + header->e_phoff);
	const ElfW(Phdr) *dynamic = NULL;
	uintptr_t base = (uintptr_t)header;

	for (int i = 0; i < header->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD && segment->p_offset == 0)
			base = (uintptr_t)header - segment->p_vaddr;
		else if (segment->p_type == PT_DYNAMIC)
			dynamic = segment;
	if (!dynamic)
		return false;
	elf_read(ret_symbols, base, (const ElfW(Dyn) *)(base + dynamic->p_vaddr));
	return true;
}

static bool is_it(const struct elf_symbols *s, uint32_t i, const char *name, bool any_version)
{
	const ElfW(Sym) *symbol = &s->symbols[i];
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || (any_version && (type == STT_OBJECT || type == STT_NOTYPE))) &&
	       symbol->st_shndx != SHN_UNDEF &&
	       (any_version || !(s->versions && s->versions[i] & HIDDEN_VERSION)) &&
	       text_equal(s->strings + symbol->st_name, name);
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	while (*name)
		hash = hash * 33 + (unsigned char)*name++;
	return hash;
}

/*
 * DT_GNU_HASH:	buckets, first symbol, words of the filter, shift; the filter; for each bucket its
 *		first symbol, or 0; for each symbol from the first on its hash, with the lowest bit
 *		set in the last of a bucket
 *
 * The filter is left out: most of what is asked for is there.
 */
static uint32_t find_by_gnu_hash(const struct elf_symbols *s, const char *name, bool any_version)
{
	uint32_t hash = hash_of(name), nbuckets = s->gnu_hash[0], first = s->gnu_hash[1];
	const uint32_t *buckets =
		s->gnu_hash + 4 + s->gnu_hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *hashes = buckets + nbuckets;
	uint32_t i = nbuckets ? buckets[hash % nbuckets] : 0;

	if (i < first || !i)
		return 0;
	for (;; i++) {
		if ((hashes[i - first] | 1) == (hash | 1) && is_it(s, i, name, any_version))
			return i;
		if (hashes[i - first] & 1)
			return 0;
	}
}

/* DT_HASH: buckets, number of symbols, ...  The vdso's, and it has a dozen. */
static uint32_t find_by_looking(const struct elf_symbols *s, const char *name, bool any_version)
{
	for (uint32_t i = 1; i < s->sysv_hash[1]; i++)
		if (is_it(s, i, name, any_version))
			return i;
	return 0;
}

static uintptr_t find(const struct elf_symbols *s, const char *name, bool any_version)
{
	uint32_t i = 0;

	if (!s->symbols || !s->strings)
		return 0;
	if (s->gnu_hash)
		i = find_by_gnu_hash(s, name, any_version);
	else if (s->sysv_hash)
		i = find_by_looking(s, name, any_version);
	return i ? s->base + s->symbols[i].st_value : 0;
}

uintptr_t elf_function(const struct elf_symbols *s, const char *name)
{
	return find(s, name, false);
}

uintptr_t elf_definition(const struct elf_symbols *s, const char *name)
{
	return find(s, name, true);
}

/* mold leaves the name undefined in a program, where nothing else needs the dynamic linker; but the
   dynamic section of a program has the address, too. */
const struct r_debug *elf_debug(void)
{
	if (&_r_debug)
		return &_r_debug;
	for (const ElfW(Dyn) *d = _DYNAMIC; d && d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_DEBUG)
			return (const struct r_debug *)d->d_un.d_ptr;
	return NULL;
}
