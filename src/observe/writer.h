/* Text on its way to a file, in pieces of a bounded length. */
#pragma once

#include "base/text.h"
#include "os/files.h"
#include "os/os.h"

/* The most bytes that are put between two calls of writer_room(). */
#define WRITER_PIECE 1024

struct writer {
	struct text text;
	int fd;
	int error; /* the first one, after which nothing is written; 0: none */
	char buffer[4 * WRITER_PIECE];
};

static inline void writer_begin(struct writer *w, int fd)
{
	w->fd = fd;
	w->error = 0;
	w->text = (struct text){.buffer = w->buffer, .capacity = sizeof w->buffer};
}

static inline void writer_flush(struct writer *w)
{
	if (!w->error)
		w->error = os_write(w->fd, w->buffer, w->text.length);
	w->text.length = 0;
}

/* Where the next piece is put. */
static inline struct text *writer_room(struct writer *w)
{
	if (w->text.length + WRITER_PIECE > sizeof w->buffer)
		writer_flush(w);
	return &w->text;
}
