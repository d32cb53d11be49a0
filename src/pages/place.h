/*
 * Mappings that the page map can tag.
 *
 * Addresses that lie a multiple of 16 TiB apart share a leaf of the page map (pages/pagemap.h).
 * Programs that reserve about that much are common: race detectors, sanitizers, runtimes with
 * sandboxes or coloured pointers. The system maps what follows on the far side of the reservation,
 * where leaves may be those of memory that loam has on the near side. Then the free addresses
 * around, as far as their leaves are others', are set aside for good: reserved, unreadable and
 * without memory, so that the system goes on behind them by itself. Where it refuses to reserve
 * them (by a limit of addresses or of locked memory) other places are tried, at distances from its
 * choice that double.
 */
#pragma once

#include "base/compiler.h"
#include "os/os.h"

/* Memory as os_map_aligned() gives it, of which the first `tagged` bytes can be tagged; NULL when
   the system refuses memory for it or for the page map. */
void *place_map(size_t nbytes, size_t alignment, size_t tagged, enum os_use use);

/* Memory for metadata, all of which can be tagged, between two unreadable pages, which are left out
   where addresses are short; NULL when refused. */
void *place_map_guarded(size_t nbytes);
