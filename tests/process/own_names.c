/*
 * A program, linked with libloam.a, that has functions of its own under names that libc does not
 * reserve, or that are weak in libc.a: it links, and they are called.
 */
void *malloc(unsigned long nbytes);
void *realloc(void *mem, unsigned long nbytes);
void free(void *mem);

#define OWN(name)                                                                                  \
	double name(double mine);                                                                  \
	double name(double mine)                                                                   \
	{                                                                                          \
		return mine + 1;                                                                   \
	}

OWN(cfree)
OWN(free_sized)
OWN(free_aligned_sized)
OWN(memalignment)
OWN(malloc_get_state)
OWN(malloc_set_state)
OWN(reallocarray)
OWN(aligned_alloc)
OWN(posix_memalign)
OWN(memalign)
OWN(valloc)
OWN(pvalloc)
OWN(malloc_usable_size)
OWN(mallinfo)
OWN(mallinfo2)
OWN(mallopt)
OWN(malloc_trim)
OWN(malloc_stats)
OWN(malloc_info)

int main(void)
{
	double (*const own[])(double) = {
		cfree,	      malloc_get_state, malloc_set_state,   free_sized,	 free_aligned_sized,
		memalignment, reallocarray,	aligned_alloc,	    memalign,	 posix_memalign,
		valloc,	      pvalloc,		malloc_usable_size, mallinfo,	 mallinfo2,
		mallopt,      malloc_trim,	malloc_stats,	    malloc_info,
	};
	double sum = 0;

	for (int i = 0; i < (int)(sizeof own / sizeof own[0]); i++)
		sum += own[i](i);
	free(realloc(malloc(100), 100000));
	return sum == 19 * 18 / 2 + 19 ? 0 : 1;
}
