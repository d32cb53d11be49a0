/* A reader of /proc/self/maps; see maps.h. */
#include "report/maps.h"

#include "os/file_reader.h"

/* A hexadecimal number; the byte behind it goes, too, and is -1 at the file's end. */
static uint64_t number(struct file_reader *r, int *ret_behind)
{
	uint64_t n = 0;
	int c;

	for (c = file_reader_next(r); (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	     c = file_reader_next(r))
		n = n << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	*ret_behind = c;
	return n;
}

static void skip_word(struct file_reader *r)
{
	int c;

	do
		c = file_reader_next(r);
	while (c >= 0 && c != ' ');
}

/* The rest of the line, which begins with c, without blanks before it; false: the file ends in
   it. */
static bool read_name(struct file_reader *r, int c, char name[MAPS_NAME])
{
	size_t length = 0;

	for (; c >= 0 && c != '\n'; c = file_reader_next(r))
		if ((length || c != ' ') && length < MAPS_NAME - 1)
			name[length++] = (char)c;
	name[length] = '\0';
	return c >= 0;
}

/* start-end rwxp offset device inode   name; false at the end, and where a line is broken
   off. */
static bool read_line(struct file_reader *r, struct mapping *m)
{
	int c;

	m->start = number(r, &c);
	if (c != '-')
		return false;
	m->end = number(r, &c);
	if (c != ' ' || m->end <= m->start)
		return false;
	m->readable = file_reader_next(r) == 'r';
	m->writable = file_reader_next(r) == 'w';
	skip_word(r);
	m->offset = number(r, &c);
	skip_word(r);
	for (c = file_reader_next(r); c >= '0' && c <= '9'; c = file_reader_next(r)) /* the inode */
		;
	return read_name(r, c, m->name);
}

bool maps_find(const void *address, struct mapping *ret_mapping)
{
	struct file_reader r;
	bool found = false;

	if (!file_reader_open(&r, "/proc/self/maps"))
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
	struct file_reader r;
	struct mapping m;

	if (!file_reader_open(&r, "/proc/self/maps"))
		return false;
	while (read_line(&r, &m))
		visit(&m, arg);
	os_close(r.fd);
	return true;
}
