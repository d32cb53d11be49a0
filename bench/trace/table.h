/*
 * Memory for the replayer's own tables: mappings, never malloc, which is what is measured.  None
 * of these returns without what it was asked for: the program ends with status 2 and a clear line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory that costs nothing until it is touched. */
void *table_map(size_t nbytes);
void table_unmap(void *table, size_t nbytes);

/*
 * Zeroed memory that is present, but counted neither as anonymous nor as shared memory of the
 * process: pages of a temporary file.
 */
void *table_in_file(size_t nbytes);

/* Files, to be closed: a new one to write and read, one that has no name, one to read. */
int table_create(const char *path);
int table_temporary(void);
int table_open(const char *path, size_t *nbytes);

/* The first nbytes of a file; path is for the message if that fails. */
void *table_map_file(int fd, const char *path, size_t nbytes, bool writable);

/* Makes a part of a file exist on disk, so that writing to its mapping cannot fail. */
void table_reserve(int fd, const char *path, size_t offset, size_t nbytes);

/* Ends the program: "replay: what: why". */
_Noreturn void table_fail(const char *what, const char *why);
