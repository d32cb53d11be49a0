/*
 * The file that option prof leaves at exit: gperftools' text form of a heap profile, which pprof,
 * google-pprof and `loam prof` read. Its figures are of what samples stand for.
 *
 *	heap profile: OBJECTS: BYTES [ALLOCATED OBJECTS: BYTES] @ heapprofile     in all
 *	OBJECTS: BYTES [ALLOCATED OBJECTS: BYTES] @ ADDRESS ...                   each stack
 *	# peak OBJECTS: BYTES given LIVE PEAK ALLOCATED lives OBJECTS ... pinned OBJECTS: BYTES
 *	MAPPED_LIBRARIES:
 *	/proc/self/maps
 */
#pragma once

#include "base/compiler.h"

/* Writes the profile to `<path>.<number of the process>.heap`, which must be new, else with another
   number behind that; no file if nothing was sampled. A line says when it cannot be made, or not
   be written to its end. */
COLD void profile_write(const char *path);
