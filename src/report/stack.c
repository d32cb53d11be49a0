/* Stacks; see stack.h. */
#include "report/stack.h"

#include "os/check.h"
#include "os/line.h"
#include "report/maps.h"
#include "report/symbols.h"
#include "unwind/backtrace.h"
#include "unwind/unwind.h"

#include <errno.h>

#define OWN_MOST 24 /* frames of loam's own, at most, before the first one of the caller */

SEALED static uintptr_t own_code, own_code_end;

void stack_own_code(const void *own_start, const void *own_end)
{
	ASSERT((uintptr_t)own_start <= (uintptr_t)own_end);
	own_code = (uintptr_t)own_start;
	own_code_end = (uintptr_t)own_end;
}

static bool is_own(const void *frame)
{
	return (uintptr_t)frame - own_code < own_code_end - own_code;
}

/* Frames before those of the program: loam's, and what calls loam's signal handler. */
static int count_own(void *const *frames, int n)
{
	int own = 0;

	while (own < n && is_own(frames[own]))
		own++;
	return own && own < n && unwind_is_sigreturn(frames[own]) ? own + 1 : own;
}

int stack_frames(const void **ret_frames, int most)
{
	void *frames[OWN_MOST + STACK_MOST];
	int saved = errno, n = backtrace_find(frames, OWN_MOST + most), own = count_own(frames, n);

	ASSERT(most <= STACK_MOST && own >= 0 && own <= n && n <= OWN_MOST + most);
	n = n - own < most ? n - own : most;
	for (int i = 0; i < n; i++)
		ret_frames[i] = frames[own + i];
	errno = saved;
	return n;
}

void stack_note(struct stack *ret_stack)
{
	ret_stack->thread = thread_self();
	ret_stack->count = (uint32_t)stack_frames(ret_stack->frames, STACK_FRAMES);
}

void stack_say_frames(const void *const *frames, size_t count)
{
	struct mapping m;
	struct symbol symbol;

	for (size_t i = 0; i < count; i++) {
		if (!maps_find(frames[i], &m) || !m.name[0])
			line_say("    #%zu %p", i, frames[i]);
		else if (symbols_find(&m, frames[i], &symbol))
			line_say("    #%zu %p %s+%p (%s+%p)", i, frames[i], symbol.name,
				 (const void *)symbol.offset, m.name, (const void *)m.offset);
		else
			line_say("    #%zu %p (%s+%p)", i, frames[i], m.name,
				 (const void *)m.offset);
	}
}

void stack_say(const char *heading, const struct stack *s)
{
	if (!s->thread)
		return;
	line_say("  %s by thread %p", heading, (const void *)s->thread);
	stack_say_frames(s->frames, s->count);
}
