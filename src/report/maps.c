/* A reader of /proc/self/maps; see maps.h. */
#include "report/maps.h"

#include "os/files.h"

/* The file, read in pieces. */
struct reader {
	int fd;
	long at, length;
	char buffer[2048];
};

/* The next byte, or -1. */
static int next(struct reader *r)
{
	if (r->at == r->length) {
		r->at = 0;
		r->length = os_read(r->fd, r->buffer, sizeof r->buffer);
		if (r->length <= 0)
			r->length = 0;
	}
	return r->at < r->length ? (unsigned char)r->buffer[r->at++] : -1;
}

/* A hexadecimal number; the byte behind it goes, too, and is -1 at the file's end. */
static uint64_t number(struct reader *r, int *ret_behind)
{
	uint64_t n = 0;
	int c;

	for (c = next(r); (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); c = next(r))
		n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	*ret_behind = c;
	return n;
}

static void skip_word(struct reader *r)
{
	int c;

	do
		c = next(r);
	while (c >= 0 && c != ' ');
}

/* The rest of the line, which begins with c, without blanks before it; false: the file ends in
   it. */
static bool read_name(struct reader *r, int c, char name[MAPS_NAME])
{
	size_t length = 0;

	for (; c >= 0 && c != '\n'; c = next(r))
		if ((length || c != ' ') && length < MAPS_NAME - 1)
			name[length++] = (char)c;
	name[length] = '\0';
	return c >= 0;
}

/* start-end rwxp offset device inode   name; false at the end, and where a line is broken
   off. */
static bool read_line(struct reader *r, struct mapping *m)
{
	int c;

	m->start = number(r, &c);
	if (c != '-')
		return false;
	m->end = number(r, &c);
	if (c != ' ' || m->end <= m->start)
		return false;
	m->readable = next(r) == 'r';
	m->writable = next(r) == 'w';
	skip_word(r);
	m->offset = number(r, &c);
	skip_word(r);
	for (c = next(r); c >= '0' && c <= '9'; c = next(r)) /* the inode */
		;
	return read_name(r, c, m->name);
}

bool maps_find(const void *address, struct mapping *ret_mapping)
{
	struct reader r = {.at = 0};
	bool found = false;

	r.fd = os_open("/proc/self/maps");
	if (r.fd < 0)
		return false;
	while (!found && read_line(&r, ret_mapping))
		found = (uintptr_t)address - ret_mapping->start <
			ret_mapping->end - ret_mapping->start;
	os_close(r.fd);
	if (found)
		ret_mapping->offset += (uintptr_t)address - ret_mapping->start;
	return found;
}

bool maps_visit(void (*visit)(const struct mapping *m, void *arg), void *arg)
{
	struct reader r = {.at = 0};
	struct mapping m;

	r.fd = os_open("/proc/self/maps");
	if (r.fd < 0)
		return false;
	while (read_line(&r, &m))
		visit(&m, arg);
	os_close(r.fd);
	return true;
}
