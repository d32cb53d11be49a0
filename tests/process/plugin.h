/* What plugin.c offers, found with dlsym by the name "plugin". */
#pragma once

#include <stddef.h>

struct plugin {
	void *(*give)(size_t nbytes);		 /* a block (process.h), to be freed by whoever */
	void (*take)(void *mem, size_t nbytes);	 /* frees a block */
	void *(*grow)(void *mem, size_t nbytes); /* block_grow() */
	char *(*duplicate)(const char *text);
	void (*allocate_every_size)(void);
};
