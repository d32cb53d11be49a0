/* Where the allocator's functions begin in the traced process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is known of a function's arguments. */
enum entry_point {
	NO_ENTRY,
	ENTRY_SIZE,
	ENTRY_TWO_SIZES,
	ENTRY_SIZE_SECOND,
	ENTRY_FREE,
	ENTRY_REALLOC
};

enum { MAX_ENTRIES = 32 };

struct entries {
	struct {
		uint64_t address;
		enum entry_point kind;
	} entry[MAX_ENTRIES];
	unsigned n;
	uint64_t low, high; /* the file's mappings */
	bool is_libc;
	uint64_t clock; /* the vdso's clock_gettime; 0: there is none */
};

/* Reads where `file` (or libc, if NULL) is mapped in the process, and its symbols. False: it is
   not there, or has no malloc. */
bool entries_find(struct entries *e, pid_t pid, const char *file);

enum entry_point entries_at(const struct entries *e, uint64_t address);
