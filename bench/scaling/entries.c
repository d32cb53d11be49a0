#include "entries.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_CHARS = 4352, PATH_CHARS = 4096 };

static const struct {
	const char *name;
	enum entry_point kind;
} functions[] = {
	{"malloc", ENTRY_SIZE},
	{"free", ENTRY_FREE},
	{"calloc", ENTRY_TWO_SIZES},
	{"realloc", ENTRY_REALLOC},
	{"aligned_alloc", ENTRY_SIZE_SECOND},
	{"memalign", ENTRY_SIZE_SECOND},
	{"_Znwm", ENTRY_SIZE},
	{"_Znam", ENTRY_SIZE},
	{"_ZdlPv", ENTRY_FREE},
	{"_ZdlPvm", ENTRY_FREE},
	{"_ZdaPv", ENTRY_FREE},
	{"_ZdaPvm", ENTRY_FREE},
};

static bool is_of(const char *path, const char *file)
{
	char real[PATH_CHARS];

	if (!file)
		return strstr(path, "/libc.so.6") || strstr(path, "/libc-2");
	return realpath(file, real) && !strcmp(path, real);
}

/* The file's mappings, and in path its name. */
static bool find_mappings(struct entries *e, pid_t pid, const char *file, char path[PATH_CHARS])
{
	char line[LINE_CHARS], found[PATH_CHARS];
	FILE *maps;

	snprintf(line, sizeof line, "/proc/%d/maps", pid);
	maps = fopen(line, "r");
	while (maps && fgets(line, sizeof line, maps)) {
		uint64_t low, high;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %4095[^\n]", &low, &high,
			   found) < 3 ||
		    !is_of(found, file))
			continue;
		if (!e->low)
			e->low = low;
		e->high = high;
		strcpy(path, found);
	}
	if (maps)
		fclose(maps);
	return e->low;
}

static void add_symbol(struct entries *e, const char *name, uint64_t address)
{
	if (!strcmp(name, "__vdso_clock_gettime"))
		e->clock = address;
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (!strcmp(name, functions[i].name) && !entries_at(e, address) &&
		    e->n < MAX_ENTRIES) {
			e->entry[e->n].address = address;
			e->entry[e->n++].kind = functions[i].kind;
		}
}

/* base: where the file is mapped */
static void read_symbols(struct entries *e, const unsigned char *elf, uint64_t base)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)elf;
	const Elf64_Shdr *section = (const Elf64_Shdr *)(elf + head->e_shoff);

	for (unsigned i = 0; i < head->e_shnum; i++) {
		const Elf64_Sym *symbol = (const Elf64_Sym *)(elf + section[i].sh_offset);
		const char *names = (const char *)elf + section[section[i].sh_link].sh_offset;

		if (section[i].sh_type != SHT_DYNSYM)
			continue;
		for (size_t k = 0; k < section[i].sh_size / sizeof *symbol; k++)
			if (symbol[k].st_shndx != SHN_UNDEF &&
			    ELF64_ST_TYPE(symbol[k].st_info) == STT_FUNC)
				add_symbol(e, names + symbol[k].st_name, base + symbol[k].st_value);
	}
}

static void read_vdso(struct entries *e, pid_t pid)
{
	static unsigned char elf[4 * 4096];
	char line[LINE_CHARS];
	uint64_t low = 0, high = 0;
	FILE *maps;
	int mem;

	snprintf(line, sizeof line, "/proc/%d/maps", pid);
	maps = fopen(line, "r");
	while (maps && !high && fgets(line, sizeof line, maps))
		if (strstr(line, "[vdso]"))
			sscanf(line, "%" SCNx64 "-%" SCNx64, &low, &high);
	if (maps)
		fclose(maps);
	snprintf(line, sizeof line, "/proc/%d/mem", pid);
	mem = open(line, O_RDONLY | O_CLOEXEC);
	if (high && mem >= 0 && high - low <= sizeof elf &&
	    pread(mem, elf, high - low, (off_t)low) == (ssize_t)(high - low))
		read_symbols(e, elf, low);
	if (mem >= 0)
		close(mem);
}

bool entries_find(struct entries *e, pid_t pid, const char *file)
{
	char path[PATH_CHARS];
	struct stat stat;
	unsigned char *elf;
	int fd;

	*e = (struct entries){.is_libc = !file};
	if (!find_mappings(e, pid, file, path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &stat))
		return false;
	elf = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (elf == MAP_FAILED)
		return false;
	read_symbols(e, elf, e->low);
	munmap(elf, (size_t)stat.st_size);
	read_vdso(e, pid);
	return e->n;
}

enum entry_point entries_at(const struct entries *e, uint64_t address)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->entry[i].address == address)
			return e->entry[i].kind;
	return NO_ENTRY;
}
