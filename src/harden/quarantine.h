/*
 * The quarantine: freed objects that are not used again yet, first in, first out.  What was
 * written to after free() is found when it leaves; and where a program uses what it has freed, it
 * meets no other object there for a while.
 *
 * One for the process, in a ring in memory of its own; bounded in bytes and in objects.
 *
 * Locking: its lock, around the ring alone.
 */
#pragma once

#include "base/compiler.h"
#include "os/lock.h"

/* Sets how many bytes it holds at most. False without memory for its ring: then it holds nothing,
   and a line says so. */
COLD bool quarantine_start(size_t nbytes);

/* Takes an object in; those that leave for it are handed to `leave` with their bytes. In a signal
   handler that interrupted its thread here or inside loam, the object leaves at once. */
void quarantine_put(void *mem, size_t nbytes, void (*leave)(void *mem, size_t nbytes));

/* Lets all out; the bytes, 0 in such a handler. */
size_t quarantine_flush(void (*leave)(void *mem, size_t nbytes));

extern HIDDEN struct lock quarantine_lock;

/* In the child of a fork at which another thread held the lock: the bytes are summed up anew.  The
   ring is whole after each single store; an object that was on its way in or out is lost. */
COLD void quarantine_recover(void);
