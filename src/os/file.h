/*
 * A new file that is written through a shared mapping: what was stored there is in the file
 * however the process ends.  Only for what the user asked for by an option: these system calls are
 * not among those that loam otherwise makes.
 */
#pragma once

#include "base/compiler.h"

/* A file, and how it is known again after the program has closed or reused descriptors. */
struct os_file {
	int fd;
	uint64_t device, inode;
};

/*
 * Makes the file, which must not be there yet; 0, or the number of an error (EEXIST among them).
 * Its descriptor is closed by exec, and out of the way of those that programs count on.
 */
int os_file_create(struct os_file *ret_file, const char *path);

/* A file to append to, which is made if it is not there; its descriptor, as above, or the number of an
   error, negative. */
int os_file_open(const char *path);

/*
 * Writes zeros at the end of the file, which is at offset, and maps them; NULL when there is no
 * room, or when the descriptor is no longer that file.  Both are multiples of the page size.
 */
void *os_file_append(const struct os_file *file, uint64_t offset, size_t nbytes);
void os_file_unmap(void *mem, size_t nbytes);

/* Closes the descriptor, if it is still that file's. */
void os_file_close(const struct os_file *file);

/* The path of the running program into a buffer, cut off if it is longer; always a string. */
void os_program(char *buffer, size_t size);

/* Bytes of the process that are in RAM, now and at most; 0 where the system does not say. */
void os_resident(size_t *ret_now, size_t *ret_most);

/* Nanoseconds since 1970. */
uint64_t os_time_of_day(void);

/* The number of this process. */
uint64_t os_process(void);
