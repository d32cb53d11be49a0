/*
 * Preloaded beside loam, before or after it: wraps the function WRAPPED of libc, and allocates in
 * it, as tracers, sandboxes and faketime do.  No header declares what it wraps.
 */
typedef long function(long, long, long, long, long, long);

extern void *malloc(unsigned long nbytes);
extern void *realloc(void *mem, unsigned long nbytes);
extern void free(void *mem);
extern void *dlsym(void *handle, const char *name);

#define NEXT	     ((void *)-1l) /* RTLD_NEXT */
#define STRING(name) #name
#define NAME(name)   STRING(name)

long WRAPPED(long a, long b, long c, long d, long e, long f);

long WRAPPED(long a, long b, long c, long d, long e, long f)
{
	static function *next;
	static __thread int depth;
	long result;

	if (depth++ == 0) {
		void *small = malloc(40), *medium = malloc(3000), *large = malloc(300000);

		small = realloc(small, 400);
		free(small);
		free(medium);
		free(large);
	}
	if (!next)
		next = (function *)dlsym(NEXT, NAME(WRAPPED));
	result = next(a, b, c, d, e, f);
	depth--;
	return result;
}
