/* Noted threads; see threads.h. */
#include "observe/threads.h"

#include "base/bits.h"
#include "os/robust.h"
#include "pages/metadata.h"

#define SLOTS ((size_t)4096)
#define LOOKS 64 /* at slots, for a thread */

static uintptr_t *noted; /* SLOTS descriptions, 0: none; atomic */

void threads_start(void)
{
	noted = metadata_alloc(SLOTS * sizeof *noted);
}

void threads_note(void)
{
	uintptr_t thread = noted ? (uintptr_t)robust_thread() : 0;
	size_t first = mix64(thread) % SLOTS;

	for (size_t i = 0; thread && i < LOOKS; i++) {
		uintptr_t *slot = &noted[(first + i) % SLOTS], found = load_relaxed(slot);

		if (!found)
			__atomic_compare_exchange_n(slot, &found, thread, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED);
		if (load_relaxed(slot) == thread)
			return;
	}
}

void threads_visit_gone(bool (*read_word)(uintptr_t address, uint32_t *ret_word),
			void (*visit)(uintptr_t thread, void *arg), void *arg)
{
	size_t offset;
	uint32_t number;

	if (!noted || !robust_number_place(&offset))
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t thread = load_relaxed(&noted[i]);

		if (thread && read_word(thread + offset, &number) && (int32_t)number <= 0)
			visit(thread, arg);
	}
}
