/*
 * Reserved huge pages (option hugetlb): those that the administrator has set aside (sysctl
 * vm.nr_hugepages), of 2 MiB. New huge objects of at least one such page lie in them while there
 * are some, else in ordinary memory, as all else does. An object that grows step by step lies in
 * ordinary memory, which the system can move.
 *
 * A mapping of such pages goes back as a whole, by munmap: the system purges no part of a page, and
 * kernels differ in what they do where they are asked for that; nor does it move or grow it. All of
 * it is in RAM from the start, so that a system that has promised too much refuses it then, and
 * does not kill the process later.
 *
 * A forked child that writes to such memory, or whose parent does, needs other pages of the
 * reserve, and is killed where there are none.
 */
#pragma once

#include "base/compiler.h"

#define HUGETLB_PAGE (2 * MIB)

/* Whether reserved pages are asked for. Set as loam starts. */
extern HIDDEN bool hugetlb_wanted;

/* From now on they are; says so where the system has none. */
COLD void hugetlb_start(void);

/* New memory in reserved pages that can be tagged at its start; NULL where there are not enough of
   them. The size is a multiple of HUGETLB_PAGE, and so is the address. */
COLD void *hugetlb_map(size_t nbytes);
