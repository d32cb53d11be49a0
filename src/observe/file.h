/*
 * A new file that is written through a shared mapping: what was stored there is in the file
 * however the process ends.  Only for what the user asked for by an option: these system calls are
 * not among those that loam otherwise makes.
 */
#pragma once

#include "os/files.h"

/*
 * Makes the file, which must not be there yet; 0, or the number of an error (EEXIST among them).
 * Its descriptor is closed by exec, and out of the way of those that programs count on.
 */
int file_create(struct os_file *ret_file, const char *path);

/*
 * Writes zeros at the end of the file, which is at offset, and maps them; NULL when there is no
 * room, or when the descriptor is no longer that file.  Both are multiples of the page size.
 */
void *file_append(const struct os_file *file, uint64_t offset, size_t nbytes);
void file_unmap(void *mem, size_t nbytes);

/* Closes the descriptor, if it is still that file's. */
void file_close(const struct os_file *file);
