/* The half of os.h on Linux that maps: what os_start() does of it. */
#pragma once

#include "base/compiler.h"

/* Takes note of the page size and makes a template for each use. */
void os_linux_map_start(size_t page_size);
