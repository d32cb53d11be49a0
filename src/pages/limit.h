/*
 * limit=auto: what the system lets the process have is read now and then (os/memory_limits.h), and
 * is the limit of retain.h until it is read again.
 *
 * Others may take of it meanwhile, so what is left when it is read is not handed out at once:
 *
 *	0       from       held       to         step                known
 *	|========|==========|----------|-----------|-------------------|
 *
 * Where held bytes are no more between from and to, and memory is taken, it is read again in the
 * same slow path; and each decay_ms. A request that would go beyond step is refused: where memory
 * is refused, it is read again before anything is given back (cache_reclaim), and then step is what
 * is known. All of this is done where no lock is held.
 *
 * At each reading the kernel is asked for pressure, too (PSI): tasks that wait for memory. While it
 * says so, less is retained (retain.h).
 */
#pragma once

#include "base/compiler.h"

/* Reads the limit for the first time; prints a line if it cannot be read. */
COLD void limit_start(void);

/* Reads it again; what the system does not say stays as it was. */
COLD void limit_read(void);

/* The same for a request that was refused: true where more may be had now, before anything is given
   back. */
COLD bool limit_read_for_request(void);
