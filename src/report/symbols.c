/* A reader of ELF files; see symbols.h. Nothing in the file is trusted. */
#include "report/symbols.h"

#include "os/elf.h"
#include "os/files.h"

/* A file that is mapped whole. */
struct file {
	const char *bytes;
	size_t nbytes;
};

/* count items of a size from an offset on; NULL when the file has not as many, or not there. */
static const void *items(const struct file *f, size_t offset, size_t count, size_t size)
{
	bool fits = offset % 8 == 0 && offset <= f->nbytes && count <= (f->nbytes - offset) / size;

	return fits ? f->bytes + offset : NULL;
}

/* Where the file's bytes from an offset on are in the program's own addresses; false: nowhere. */
static bool address_of(const struct file *f, const ElfW(Ehdr) * header, size_t offset,
		       uintptr_t *ret_address)
{
	const ElfW(Phdr) *segments = items(f, header->e_phoff, header->e_phnum, sizeof *segments);

	for (size_t i = 0; segments && i < header->e_phnum; i++) {
		const ElfW(Phdr) *s = &segments[i];

		if (s->p_type == PT_LOAD && offset - s->p_offset < s->p_filesz) {
			*ret_address = offset - s->p_offset + s->p_vaddr;
			return true;
		}
	}
	return false;
}

static void copy_name(char *name, const char *from, const char *end)
{
	size_t n = 0;

	for (; from < end && *from && n < SYMBOL_NAME - 1; n++)
		name[n] = *from++;
	name[n] = '\0';
}

static bool is_around(const ElfW(Sym) * symbol, ElfW(Addr) address)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
	       address >= symbol->st_value && address - symbol->st_value < symbol->st_size;
}

/* Each bucket's chain ends with its last symbol, and the last symbol of all is in some bucket. */
static uint32_t count_by_gnu_hash(const uint32_t *gnu_hash)
{
	uint32_t nbuckets = gnu_hash[0], first = gnu_hash[1], last = 0;
	const uint32_t *buckets =
		gnu_hash + 4 + gnu_hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *hashes = buckets + nbuckets;

	for (uint32_t b = 0; b < nbuckets; b++)
		last = buckets[b] > last ? buckets[b] : last;
	if (last < first)
		return first;
	while (!(hashes[last - first] & 1))
		last++;
	return last + 1;
}

static uint32_t count_symbols(const struct elf_symbols *s)
{
	if (s->gnu_hash)
		return count_by_gnu_hash(s->gnu_hash);
	return s->sysv_hash ? s->sysv_hash[1] : 0;
}

bool symbols_find_in(const struct elf_symbols *s, uintptr_t address, struct symbol *ret_symbol)
{
	const ElfW(Sym) *found = NULL, *symbols = s->symbols;
	uint32_t count = symbols && s->strings ? count_symbols(s) : 0;
	const char *name;

	for (uint32_t i = 0; i < count; i++)
		if (is_around(&symbols[i], address - s->base) &&
		    (!found || ELF64_ST_BIND(found->st_info) == STB_LOCAL))
			found = &symbols[i];
	if (!found)
		return false;
	name = s->strings + found->st_name;
	copy_name(ret_symbol->name, name, name + SYMBOL_NAME);
	ret_symbol->offset = address - s->base - found->st_value;
	return true;
}

static bool find_in(const struct file *f, const ElfW(Shdr) * table, const ElfW(Shdr) * strings,
		    uintptr_t address, struct symbol *ret_symbol)
{
	size_t count = table->sh_size / sizeof(ElfW(Sym));
	const ElfW(Sym) *symbols = items(f, table->sh_offset, count, sizeof *symbols);
	bool known = strings->sh_offset <= f->nbytes &&
		     strings->sh_size <= f->nbytes - strings->sh_offset;

	for (size_t i = 0; symbols && known && i < count; i++) {
		const ElfW(Sym) *s = &symbols[i];
		const char *names = f->bytes + strings->sh_offset;

		if (!is_around(s, address) || s->st_name >= strings->sh_size)
			continue;
		copy_name(ret_symbol->name, names + s->st_name, names + strings->sh_size);
		ret_symbol->offset = address - s->st_value;
		return true;
	}
	return false;
}

/* In tables of one type. */
static bool find(const struct file *f, const ElfW(Ehdr) * header, unsigned type, uintptr_t address,
		 struct symbol *ret_symbol)
{
	const ElfW(Shdr) *sections = items(f, header->e_shoff, header->e_shnum, sizeof *sections);

	for (size_t i = 0; sections && i < header->e_shnum; i++)
		if (sections[i].sh_type == type && sections[i].sh_link < header->e_shnum &&
		    find_in(f, &sections[i], &sections[sections[i].sh_link], address, ret_symbol))
			return true;
	return false;
}

static bool find_in_file(const struct file *f, size_t offset, struct symbol *ret_symbol)
{
	const ElfW(Ehdr) *header = items(f, 0, 1, sizeof *header);
	uintptr_t address;

	if (!header || *(const uint32_t *)header->e_ident != 0x464c457f ||
	    header->e_ident[EI_CLASS] != ELFCLASS64 || !address_of(f, header, offset, &address))
		return false;
	return find(f, header, SHT_SYMTAB, address, ret_symbol) ||
	       find(f, header, SHT_DYNSYM, address, ret_symbol);
}

/* In what the dynamic linker has mapped: only the object that the address is in has a symbol around
   it. */
static bool find_in_memory(uintptr_t address, struct symbol *ret_symbol)
{
	const struct r_debug *debug = elf_debug();
	const struct link_map *map = debug ? debug->r_map : NULL;
	struct elf_symbols s;

	for (; map; map = map->l_next) {
		elf_read(&s, map->l_addr, map->l_ld);
		if (symbols_find_in(&s, address, ret_symbol))
			return true;
	}
	return false;
}

static bool find_anywhere(const struct mapping *m, uintptr_t address, struct symbol *ret_symbol)
{
	struct file f;
	bool found;

	if (m->name[0] != '/')
		return false;
	f.bytes = os_map_file(m->name, &f.nbytes);
	if (!f.bytes)
		return find_in_memory(address, ret_symbol);
	found = find_in_file(&f, m->offset - 1, ret_symbol);
	os_unmap_file(f.bytes, f.nbytes);
	return found;
}

bool symbols_find(const struct mapping *m, const void *frame, struct symbol *ret_symbol)
{
	if (!find_anywhere(m, (uintptr_t)frame - 1, ret_symbol))
		return false;
	ret_symbol->offset++;
	return true;
}
