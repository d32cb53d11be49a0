/* Every object that the program holds. */
#pragma once

#include "base/compiler.h"

/* Calls `see` for each, in no order, some of them under loam's locks. While other threads allocate
   and free, one that changes hands meanwhile may be among them or not. */
COLD void objects_visit(void (*see)(const void *mem, size_t nbytes, void *arg), void *arg);
