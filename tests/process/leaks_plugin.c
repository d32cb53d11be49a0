/* A library that keeps a pointer, for leaks.c. */
void *kept;

void keep(void *mem)
{
	kept = mem;
}
