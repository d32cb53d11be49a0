/* What fork means for the heap; see fork.c.  preload/fork.c hands the three handlers to libc. */
#pragma once

/* Finds the page that a child sees wiped.  Called once, at start. */
void fork_start(void);

/* Puts things right in a child that ran no handlers (_Fork, clone); else costs one load. */
void fork_notice(void);

/* Takes every lock, in rank order.  Handlers of the program that run later may still allocate. */
void loam_prefork(void);

/* Frees them again. */
void loam_postfork_parent(void);

/* The same, and retires the arenas of threads that do not exist here. */
void loam_postfork_child(void);
