/*
 * A program that passes the probes of src/base/probes.def, and knows with which values.
 *
 *	probed events    a huge object, a request that cannot be met, much freed, a trim, a double
 *	                 free
 *	probed objects   ten objects, for a profile of every allocation; the first five are freed
 *
 * A line for each probe that must have been passed: its name, and values.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIB = 1 << 20, OBJECTS = 10, SMALL = 1000, COUNT = 100000 };

static void *objects[COUNT];

static void *allocate(size_t nbytes)
{
	char *mem = malloc(nbytes);

	if (!mem)
		exit(3);
	memset(mem, 'x', nbytes);
	return mem;
}

static void pass_events(void)
{
	volatile size_t much = (size_t)1 << 50;
	void *mem = allocate(100 * MIB);

	printf("huge_map %p %d\nhuge_unmap %p\n", mem, 100 * MIB, mem);
	if (malloc(much))
		exit(4);
	printf("no_memory %zu 16\n", much);
	free(mem);
	for (int i = 0; i < COUNT; i++)
		objects[i] = allocate(SMALL);
	for (int i = 0; i < COUNT; i++)
		free(objects[i]);
	malloc_trim(12345);
	printf("trim 12345\n");
	mem = allocate(200 * 1024);
	free(mem);
	free(mem);
	printf("misuse free \"double free detected\" %p\n", mem);
}

static void pass_objects(void)
{
	char lines[4096];
	int at = 0;

	for (int i = 0; i < OBJECTS; i++)
		objects[i] = allocate(100 + (size_t)i * 5000);
	for (int i = 0; i < OBJECTS; i++)
		at += sprintf(lines + at, "alloc %p %d\n", objects[i], 100 + i * 5000);
	for (int i = 0; i < OBJECTS / 2; i++) {
		at += sprintf(lines + at, "free %p\n", objects[i]);
		free(objects[i]);
	}
	if (write(1, lines, (size_t)at) != at)
		exit(4);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc > 1 && strcmp(argv[1], "events") == 0)
		pass_events();
	else
		pass_objects();
	return 0;
}
