/*
 * How much memory the system lets this process have: the least that its memory cgroup (version 2
 * or 1), the groups above it, RLIMIT_AS and RLIMIT_DATA leave. For option limit=auto alone: files
 * are opened, read and closed again.
 *
 * A cgroup charges what all its processes have in RAM, and the kernel's memory for them. What the
 * caller may hold is therefore the limit, less a margin, less what the group uses beside it: its
 * usage without what the kernel can take back (pages of files), and without what the caller holds
 * of it. Memory that the caller holds and nobody has touched yet is in no usage, so no more than
 * the process's anonymous resident bytes count as held.
 *
 * The resource limits are of addresses. Beside the caller there is what the process has mapped and
 * the caller does not hold.
 *
 * Lock: its own, which is only tried.
 */
#pragma once

#include "base/compiler.h"
#include "os/lock.h"

/*
 * Reads anew how many bytes the caller may hold, who holds `held` now, and has `spare` more that
 * are mapped and hold no memory. *ret_allowed is SIZE_MAX where nothing limits the process. False,
 * and *ret_allowed untouched, where the system refuses to say, or another thread is reading.
 */
COLD bool memory_limits_read(size_t held, size_t spare, size_t *ret_allowed);

/* For how much of the last ten seconds some task of the process's group waited for memory, or of
   the whole system where the group does not say (version 1); in percent. 0, too, before the first
   memory_limits_read(), where the system refuses to say, and while another thread is reading. */
COLD unsigned memory_limits_pressure(void);

extern HIDDEN struct lock memory_limits_lock;

/* In the child of a fork at which another thread was reading. */
COLD void memory_limits_recover(void);
