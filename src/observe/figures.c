/* The page of figures, and the note by which it is found; see figures.h. */
#include "observe/figures.h"

#include "arena/ring.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/requests.h"
#include "harden/fence_bytes.h"
#include "harden/sampled.h"
#include "observe/samples.h"
#include "os/lock.h"
#include "pages/huge_table.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone_regions.h"

#define OBJECT(name, address) [FIGURES_OBJECT_##name] = address,
#define NUMBER(name, value)   [FIGURES_NUMBER_##name] = value,

#define FIELD(type, field)                                                                         \
	(uint32_t)(offsetof(type, field) | sizeof(((const type *)NULL)->field) << 24)
#define FIELD_SUM(field)   0
#define FIELD_WORD(object) FIGURES_OBJECT_##object
#define FIELD_ARENA(field) FIELD(struct arena, field)
#define FIELD_SLABS(field) FIELD(struct slabs, field)
#define FIELD_ZONE(field)  FIELD(struct zone_sizes, field)
#define FIELD_HUGE(field)  FIELD(struct huge_sizes, field)

const uint32_t counter_fields[COUNTER_COUNT] = {
#define COUNTER(name, kind, unit, source, field, help) FIELD_##source(field),
#include "observe/counter_rows.def"
#undef COUNTER
};

__attribute__((used)) const struct figures figures = {
	.magic = FIGURES_MAGIC,
	.layout = FIGURES_LAYOUT,
	.nbytes = sizeof figures,
	.version = CONFIG_VERSION,
	.self = &figures,
	.counters = counter_fields,
	.objects = {FIGURES_OBJECTS(OBJECT)},
	.numbers = {FIGURES_NUMBERS(NUMBER)},
	.end = FIGURES_MAGIC,
};

/* Sizes of name and contents, type, name, contents: the distance from there to figures. Linkers
   keep notes and what they refer to, though nothing else does. */
__asm__(".pushsection .note.loam, \"a\", %note\n"
	".balign 4\n"
	".long 5, 4, 1\n"
	".asciz \"loam\"\n"
	".balign 4\n"
	".long figures - .\n"
	".popsection\n");

static_assert(FIGURES_NOTE == 1, "the note above says so");
