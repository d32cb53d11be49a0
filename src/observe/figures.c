/* The page of figures, and the note by which it is found; see figures.h. */
#include "observe/figures.h"

#include "arena/ring.h"
#include "cache/caches.h"
#include "cache/depot.h"
#include "cache/requests.h"
#include "os/lock.h"
#include "pages/huge_table.h"
#include "pages/metadata.h"
#include "pages/retain.h"
#include "pages/run.h"
#include "pages/zone_regions.h"

#define OBJECT(name, address) [FIGURES_OBJECT_##name] = address,
#define NUMBER(name, value)   [FIGURES_NUMBER_##name] = value,

__attribute__((used)) const struct figures figures = {
	.magic = FIGURES_MAGIC,
	.layout = FIGURES_LAYOUT,
	.nbytes = sizeof figures,
	.version = CONFIG_VERSION,
	.self = &figures,
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
