/*
 * A new file, of os_create_aside(), that is written through a shared mapping: what was stored there
 * is in the file however the process ends.  Only for what the user asked for by an option: these
 * system calls are not among those that loam otherwise makes.
 */
#pragma once

#include "os/files.h"

/*
 * Writes zeros at the end of the file, which is at offset, and maps them, for os_unmap_file(); NULL
 * when there is no room, or when the descriptor is no longer that file.  Both are multiples of the
 * page size.
 */
void *file_append(const struct os_file *file, uint64_t offset, size_t nbytes);

/* Closes the descriptor, if it is still that file's. */
void file_close(const struct os_file *file);
