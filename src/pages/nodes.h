/*
 * NUMA nodes: on which of them the calling thread runs.
 *
 * The system puts a page on the node of the thread that touches it first, if it can. So blocks that
 * are taken by threads of one node come from regions of their own (zone.h), and threads of one node
 * use arenas of their own (arena/ring.h): what one node has touched is used there again.
 *
 * By default a process has one node until a thread begins on another (option zones=0), so where
 * there is one alone nothing is asked, mapped or compared but one flag. zones=N has N nodes in the
 * place of those of the system: processor number c is of node c modulo N.
 */
#pragma once

#include "base/compiler.h"

/* Numbers of nodes are below this; higher ones of the system's are taken modulo it. */
#define NODES_MOST 64

/* Whether threads ran on more than one node so far; it stays. Relaxed. */
extern HIDDEN bool nodes_many;

/* Called as a thread begins: notes whether there are several nodes, by the option or since it runs
   on another than the first one. */
COLD void nodes_note(void);

/* nodes_here() where there are several. */
unsigned nodes_look(void);

/* The node that the calling thread runs on; 0 where there is one alone. */
static inline unsigned nodes_here(void)
{
	return UNLIKELY(load_relaxed(&nodes_many)) ? nodes_look() : 0;
}
