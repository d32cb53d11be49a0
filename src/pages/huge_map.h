/* The mappings of huge objects, which are on no list meanwhile. */
#pragma once

#include "base/compiler.h"
#include "pages/huge.h"

/* What is mapped for an object of nbytes that grows. */
size_t huge_with_room(size_t nbytes);

/* A new mapping for nbytes, `mapped` bytes long; NULL without memory. */
struct huge *huge_map(size_t nbytes, size_t alignment, size_t mapped);

/* The same in reserved huge pages; NULL where there are not enough of them, or it would be small or
   aligned to more than one. */
COLD struct huge *huge_map_reserved(size_t nbytes, size_t alignment);

/* Moves it to where nbytes fit, with room if there is some; its first page has no tag meanwhile. */
bool huge_move(struct huge *h, size_t nbytes);

/* Makes the mapping hold nbytes, where it is or, if these are more, elsewhere. */
bool huge_remap(struct huge *h, size_t nbytes);

/* Unmaps what is on no list; the dirty bytes that went back. Where the process has too many
   mappings for that, its memory goes back all the same, and its addresses are kept. */
size_t huge_unmap(struct huge *h);

/* Lists a mapping as kept, joined with its neighbours. Looks at no rule. */
void huge_keep(struct huge *h);
