/* The thread's stack; see frame.h. */
#include "report/frame.h"

#include "base/bits.h"
#include "os/check.h"
#include "report/maps.h"
#include "os/os.h"
#include "os/process.h"

/* How far from the frame a local is told as such on a stack that the program made. */
#define NEAR (16 * KIB)

/* Farther than this from its end no stack is looked for. */
#define FAR GIB

/* Whether the word before an address may be the header of a block, as most allocators have one: the
   block's size, which the rest of the mapping has room for, and three bits of flags.  The word
   can be read: frames of this very call lie below the address. */
static bool may_have_header(uintptr_t address, const struct mapping *m)
{
	size_t size = ((const size_t *)address)[-1] & ~(size_t)7;

	ASSERT(address - m->start >= 2 * sizeof size);
	return is_aligned(size, 2 * sizeof size) && size >= 4 * sizeof size &&
	       size <= m->end - (address - 2 * sizeof size);
}

/* Whether an address lies on the stack of the frame `here`, in a mapping that both are in. All
   between a frame and the end of a thread's stack is stack. Behind the end of a stack that the
   program made, other memory may follow in the same mapping. */
static bool is_above(uintptr_t here, uintptr_t address, const struct mapping *m)
{
	uintptr_t self = thread_self(), end = os_stack_end();

	if (here < end && end <= m->end)
		return address < end;
	if (here < self && self < m->end && !os_is_initial_thread())
		return address < self; /* the control block, at the stack's end */
	return address - here < NEAR && is_aligned(address, sizeof(size_t)) &&
	       !may_have_header(address, m);
}

static bool is_between(uintptr_t here, uintptr_t address, uintptr_t end)
{
	return address < end && end - here < FAR;
}

bool frame_holds(const void *mem)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), address = (uintptr_t)mem;
	struct mapping m;

	if (address < here ||
	    (address - here >= NEAR && !is_between(here, address, thread_self()) &&
	     !is_between(here, address, os_stack_end())))
		return false;
	return maps_find((const void *)here, &m) && address < m.end && is_above(here, address, &m);
}
