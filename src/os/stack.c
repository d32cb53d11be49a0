/* Stacks; see stack.h. */
#include "os/stack.h"

#include "base/report.h"
#include "os/libc.h"
#include "os/maps.h"

#include <errno.h>

#define SKIPPED 2 /* frames of ours */

/* libc's backtrace(); NULL before stack_start() has tried it.  Atomic. */
static int (*unwind)(void **frames, int count);

void stack_start(void)
{
	int (*found)(void **, int);
	void *frames[2];

	libc_find(&found, "backtrace");
	if (found)
		found(frames, 2);
	store_relaxed(&unwind, found);
}

void stack_note(struct stack *ret_stack)
{
	void *frames[STACK_FRAMES + SKIPPED];
	int (*by)(void **, int) = load_relaxed(&unwind);
	int saved = errno, n = by ? by(frames, STACK_FRAMES + SKIPPED) : 0;

	ret_stack->thread = thread_self();
	ret_stack->count = n > SKIPPED ? (uint32_t)(n - SKIPPED) : 0;
	for (uint32_t i = 0; i < ret_stack->count; i++)
		ret_stack->frames[i] = frames[i + SKIPPED];
	errno = saved;
}

void stack_say(const char *heading, const struct stack *s)
{
	struct mapping m;

	if (!s->thread)
		return;
	report_line("  %s by thread %p", heading, (const void *)s->thread);
	for (uint32_t i = 0; i < s->count; i++) {
		if (maps_find(s->frames[i], &m) && m.name[0])
			report_line("    #%zu %p (%s+%p)", (size_t)i, s->frames[i], m.name,
				    (const void *)m.offset);
		else
			report_line("    #%zu %p", (size_t)i, s->frames[i]);
	}
}
