/* A file read byte by byte, in pieces. */
#pragma once

#include "os/files.h"

struct file_reader {
	int fd;
	long at, length; /* of the piece in buffer */
	char buffer[2048];
};

/* False when the file cannot be opened; else the caller closes fd. */
static inline bool file_reader_open(struct file_reader *r, const char *path)
{
	r->fd = os_open(path);
	r->at = r->length = 0;
	return r->fd >= 0;
}

/* The next byte; -1 at the end, and after an error. */
static inline int file_reader_next(struct file_reader *r)
{
	if (r->at == r->length) {
		r->at = 0;
		r->length = os_read(r->fd, r->buffer, sizeof r->buffer);
		if (r->length <= 0)
			r->length = 0;
	}
	return r->at < r->length ? (unsigned char)r->buffer[r->at++] : -1;
}
