/* Holds memory until its end, for stats_exit.py: prints its number, the bytes that it holds, those
   that it has freed and holds no more, and what the kernel says that it has in RAM. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL = 1000, COUNT = 30000, LARGE = 10000000, LARGES = 2 };

static char *small[COUNT], *large[LARGES];

static char *touched(size_t nbytes)
{
	return memset(malloc(nbytes), 'x', nbytes);
}

static long resident(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		exit(2);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* holder STEP frees one small block in STEP, 0: none, and the large ones too where it is 1. */
int main(int argc, char **argv)
{
	int step = argc > 1 ? atoi(argv[1]) : 0;
	long held = 0, freed = 0;

	for (int i = 0; i < LARGES; i++)
		large[i] = touched(LARGE);
	for (int i = 0; i < COUNT; i++)
		small[i] = touched(SMALL);
	for (int i = 0; i < COUNT; i++)
		if (step && i % step == 0) {
			free(small[i]);
			freed += SMALL;
		} else {
			held += SMALL;
		}
	for (int i = 0; i < LARGES; i++)
		if (step == 1)
			free(large[i]);
		else
			held += LARGE;
	printf("%d %ld %ld %ld\n", (int)getpid(), held, freed, resident());
	return 0;
}
