/* The semaphores of probes, and what the notes of all are measured from; see probe.h. */
#include "base/probe.h"

/* Not in .bss: tracers write through the file's mapping. */
#define PROBE(provider, name, ...)                                                                 \
	__attribute__((section(".data"))) volatile uint16_t provider##_##name##_semaphore = 0;
#include "base/probes.def"
#undef PROBE

extern HIDDEN const char probe_base __asm__("_.stapsdt.base");

/* Linkers that leave out what nothing in memory refers to keep it for this. */
__attribute__((used)) static const char *const kept = &probe_base;

__asm__(PROBE_BASE("%"));
