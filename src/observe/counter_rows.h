/* The numbers of the counters, and how each is shown; see counters.h. */
#pragma once

#include "base/compiler.h"

enum counter {
#define COUNTER(name, ...) COUNTER_##name,
#include "observe/counter_rows.def"
#undef COUNTER
	COUNTER_COUNT
};

enum counter_kind { GAUGE, TOTAL };
enum counter_unit { NUMBER, BYTES, PAGES };

/* How each is shown, and a line of each: its name, a blank, what it is. No pointer, which every
   process would have to relocate. */
extern HIDDEN const uint8_t counter_kinds[COUNTER_COUNT], counter_units[COUNTER_COUNT];
COLD const char *counter_lines(void);

/* Where its field lies in its source: the offset, and its size in the highest 8 bits; of SUM 0, of
   WORD the number of the object (observe/figures.c). */
extern HIDDEN const uint32_t counter_fields[COUNTER_COUNT];
