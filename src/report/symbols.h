/* Names of functions, from the table of symbols in the file that a mapping is of; for reports
   only. */
#pragma once

#include "os/elf.h"
#include "report/maps.h"

#define SYMBOL_NAME 160

struct symbol {
	char name[SYMBOL_NAME]; /* cut off; of C++ as the compiler has it */
	size_t offset;		/* of the address in the function */
};

/*
 * The function of a return address, for which maps_find() gave the mapping: the call before it
 * decides, since that may be the last of its function. Static functions are known too, unless the
 * file was stripped, or deleted, as an upgrade does; then only what other files may call. False:
 * none is known.
 */
COLD bool symbols_find(const struct mapping *m, const void *frame, struct symbol *ret_symbol);

/* The function of an object in memory that an address is in; of several names the one that all may
   use. */
COLD bool symbols_find_in(const struct elf_symbols *s, uintptr_t address,
			  struct symbol *ret_symbol);
