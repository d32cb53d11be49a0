/*
 * One heap under all names: __libc_malloc and its like, and what libc's own
 * functions allocate, are freed and resized by free and realloc, and the
 * reverse.
 */
#include "names.h"

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void *__libc_valloc(size_t n);
void *__libc_pvalloc(size_t n);
void __libc_free(void *p);
int __libc_mallopt(int name, int value);
struct mallinfo __libc_mallinfo(void);

TEST(aliases_mix_with_plain_names)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		char *p = __libc_malloc(n);

		REQUIRE(p != NULL);
		pattern_put(p, n, 1);
		p = realloc(p, n * 2);
		REQUIRE(p != NULL);
		EXPECT(pattern_holds(p, n, 1));
		__libc_free(p);
		p = __libc_calloc(1, n);
		REQUIRE(p != NULL);
		EXPECT(all_zero(p, n));
		EXPECT(malloc_usable_size(p) >= n);
		free(p);
		p = malloc(n);
		REQUIRE(p != NULL);
		pattern_put(p, n, 2);
		p = __libc_realloc(p, n + 100);
		REQUIRE(p != NULL);
		EXPECT(pattern_holds(p, n, 2));
		free(p);
	}
}

TEST(aligned_aliases_mix_with_plain_names)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < SIZES; i++) {
		char *p = __libc_memalign(512, sizes[i]);
		char *q = __libc_valloc(sizes[i]), *r = __libc_pvalloc(sizes[i]);

		REQUIRE(p && q && r);
		EXPECT(is_aligned(p, 512) && is_aligned(q, page) && is_aligned(r, page));
		EXPECT(malloc_usable_size(r) >= page);
		free(p);
		free(realloc(q, 3000));
		free(r);
		__libc_free(aligned_alloc(1024, sizes[i]));
	}
}

TEST(aliases_keep_the_same_promises)
{
	errno = ERRNO_CANARY;
	EXPECT_EQ(__libc_malloc(too_large), NULL);
	EXPECT_EQ(errno, ENOMEM);
	errno = ERRNO_CANARY;
	EXPECT_EQ(__libc_realloc(__libc_malloc(10), 0), NULL);
	__libc_free(NULL);
	EXPECT_EQ(errno, ERRNO_CANARY);
	EXPECT_EQ(__libc_mallopt(M_TOP_PAD, 128 << 10), 1);
}

TEST(mallinfo_alias_tells_of_the_same_heap)
{
	struct mallinfo before = __libc_mallinfo(), after;
	void *blocks[1000];

	for (int i = 0; i < 1000; i++)
		blocks[i] = malloc(1000);
	after = __libc_mallinfo();
	EXPECT(after.uordblks >= before.uordblks + 1000 * 1000);
	EXPECT_EQ(after.uordblks, mallinfo().uordblks);
	for (int i = 0; i < 1000; i++)
		free(blocks[i]);
}

TEST(what_libc_allocates_is_freed)
{
	char *grown = NULL, *copy = strdup("a text"), *line = NULL, *printed = NULL;
	size_t length = 0, room = 0;
	FILE *stream = open_memstream(&grown, &length);

	REQUIRE(copy && stream);
	EXPECT(malloc_usable_size(copy) >= 7);
	copy = realloc(copy, 5000);
	EXPECT_STR(copy, "a text");
	free(copy);
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "line %d\n", i);
	fclose(stream);
	EXPECT(malloc_usable_size(grown) > length);
	stream = fmemopen(grown, length, "r");
	EXPECT_EQ(getline(&line, &room, stream), 7);
	EXPECT_STR(line, "line 0\n");
	line = realloc(line, 1 << 20);
	fclose(stream);
	EXPECT(asprintf(&printed, "%0*d", 300000, 7) == 300000);
	EXPECT(malloc_usable_size(printed) > 300000);
	free(printed);
	free(line);
	free(grown);
	copy = realpath("/", NULL);
	EXPECT_STR(copy, "/");
	free(copy);
}

#ifdef API_PRELOAD /* glibc has not all of them, and those it has are its own */
/* One name that is libc's still would free what is loam's. */
TEST(every_name_is_in_the_library)
{
	static const char *const names[] = {
		"malloc",
		"free",
		"calloc",
		"realloc",
		"reallocarray",
		"memalign",
		"aligned_alloc",
		"posix_memalign",
		"valloc",
		"pvalloc",
		"malloc_usable_size",
		"mallinfo",
		"mallinfo2",
		"mallopt",
		"malloc_trim",
		"malloc_stats",
		"malloc_info",
		"__libc_malloc",
		"__libc_free",
		"__libc_calloc",
		"__libc_realloc",
		"__libc_reallocarray",
		"__libc_memalign",
		"__libc_valloc",
		"__libc_pvalloc",
		"__libc_cfree",
		"__libc_mallinfo",
		"__libc_mallopt",
		"__posix_memalign",
	};
	Dl_info met;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		void *p = dlsym(RTLD_DEFAULT, names[i]);

		if (!EXPECT(p && dladdr(p, &met) && strstr(met.dli_fname, "libloam")))
			printf("    %s\n", names[i]);
	}
}

TEST(posix_memalign_alias_mixes_too)
{
	int (*alias)(void **, size_t, size_t);
	void *p = NULL;

	*(void **)&alias = dlsym(RTLD_DEFAULT, "__posix_memalign");
	REQUIRE(alias != NULL);
	EXPECT_EQ(alias(&p, 3, 100), EINVAL);
	EXPECT_EQ(p, NULL);
	EXPECT_EQ(alias(&p, 4096, 100), 0);
	EXPECT(p != NULL && is_aligned(p, 4096));
	p = realloc(p, 10000);
	free(p);
}
#endif
