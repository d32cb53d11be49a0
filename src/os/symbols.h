/* Names of functions, from the table of symbols in the file that a mapping is of; for reports only. */
#pragma once

#include "os/maps.h"

#define SYMBOL_NAME 160

struct symbol {
	char name[SYMBOL_NAME]; /* cut off; of C++ as the compiler has it */
	size_t offset;		/* of the address in the function */
};

/*
 * The function that the address lies in which maps_find() gave the mapping for. Static functions are
 * known too, unless the file was stripped; then only what other files may call. False: none is known,
 * or the file is not there any more.
 */
COLD bool symbols_find(const struct mapping *m, struct symbol *ret_symbol);
