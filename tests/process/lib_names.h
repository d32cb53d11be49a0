/* What the library of lib_names.c gives. */
#pragma once

struct connection;

void cfree(struct connection *c);
void free_sized(void **slots, int n);
double free_aligned_sized(double part);
int memalignment(const char *molecule, const char *other);
const char *malloc_get_state(void);
int malloc_set_state(const char *name, int votes);

/* Calls all six; how many of the library's own were called, or -1 when a result is wrong. */
int lib_names_run(void);
