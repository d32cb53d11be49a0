/* Purging of dirty free blocks; zone_purge() is declared in pages/zone.h. */
#pragma once

#include "base/compiler.h"

/* Purges as zone_purge() does, the lock held; a step (4 MiB) at most, so that it is not held for
   long: who is still over the line goes on with the next call. */
size_t zone_purge_locked(size_t nbytes);
