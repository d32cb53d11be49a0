/* What a zone has and did: its figures, which its own code counts and zone_sizes() hands out. */
#pragma once

#include "base/compiler.h"

/* All in bytes but the counts. */
struct zone_sizes {
	size_t mapped, free_clean, free_dirty;
	size_t regions, takes, splits, merges, purged;
};
