/* Stacks; see stack.h. */
#include "report/stack.h"

#include "os/check.h"
#include "os/line.h"
#include "os/libc.h"
#include "report/maps.h"
#include "report/symbols.h"
#include "os/syscall.h"

#include <errno.h>

#define OWN_MOST 24 /* frames of loam's own, at most, before the first one of the caller */

/* libc's backtrace(); NULL before stack_start() has tried it.  Atomic. */
static int (*unwind)(void **frames, int count);

static uintptr_t own_code, own_code_end;

void stack_start(const void *own_start, const void *own_end)
{
	int (*found)(void **, int);
	void *frames[2];

	ASSERT((uintptr_t)own_start <= (uintptr_t)own_end);
	own_code = (uintptr_t)own_start;
	own_code_end = (uintptr_t)own_end;
	libc_find(&found, "backtrace");
	if (found)
		found(frames, 2);
	store_relaxed(&unwind, found);
}

static bool is_own(const void *frame)
{
	return (uintptr_t)frame - own_code < own_code_end - own_code;
}

/* Whether a signal handler returns to this. */
static bool is_sigreturn(const unsigned char *frame)
{
	static const unsigned char code[] = SYSCALL_SIGRETURN;
	size_t same = 0;

	while (same < sizeof code && frame[same] == code[same])
		same++;
	return same == sizeof code;
}

/* Frames before those of the program: loam's, and what calls loam's signal handler. */
static int count_own(void *const *frames, int n)
{
	int own = 0;

	while (own < n && is_own(frames[own]))
		own++;
	return own && own < n && is_sigreturn(frames[own]) ? own + 1 : own;
}

void stack_note(struct stack *ret_stack)
{
	void *frames[OWN_MOST + STACK_FRAMES];
	int (*by)(void **, int) = load_relaxed(&unwind);
	int saved = errno, n = by ? by(frames, OWN_MOST + STACK_FRAMES) : 0,
	    own = count_own(frames, n);

	ASSERT(own >= 0 && own <= n && n <= OWN_MOST + STACK_FRAMES);
	n = n - own < STACK_FRAMES ? n - own : STACK_FRAMES;
	ret_stack->thread = thread_self();
	ret_stack->count = (uint32_t)n;
	for (int i = 0; i < n; i++)
		ret_stack->frames[i] = frames[own + i];
	errno = saved;
}

void stack_say(const char *heading, const struct stack *s)
{
	struct mapping m;
	struct symbol symbol;

	if (!s->thread)
		return;
	line_say("  %s by thread %p", heading, (const void *)s->thread);
	for (uint32_t i = 0; i < s->count; i++) {
		if (!maps_find(s->frames[i], &m) || !m.name[0])
			line_say("    #%zu %p", (size_t)i, s->frames[i]);
		else if (symbols_find(&m, s->frames[i], &symbol))
			line_say("    #%zu %p %s+%p (%s+%p)", (size_t)i, s->frames[i], symbol.name,
				 (const void *)symbol.offset, m.name, (const void *)m.offset);
		else
			line_say("    #%zu %p (%s+%p)", (size_t)i, s->frames[i], m.name,
				 (const void *)m.offset);
	}
}
