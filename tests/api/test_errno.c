/*
 * errno: ENOMEM for what is impossible, EINVAL for a bad alignment, and not
 * touched by whatever succeeds; never by free.
 */
#include "names.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The call is one that fails: it must give NULL and set errno to code. */
#define EXPECT_FAILS(call, code)                                                                   \
	do {                                                                                       \
		errno = ERRNO_CANARY;                                                              \
		EXPECT_EQ((call), NULL);                                                           \
		EXPECT_EQ(errno, code);                                                            \
	} while (0)

/* The call is one that succeeds: whatever it gives, errno is as it was. */
#define EXPECT_QUIET(call)                                                                         \
	do {                                                                                       \
		errno = ERRNO_CANARY;                                                              \
		call;                                                                              \
		EXPECT_EQ(errno, ERRNO_CANARY);                                                    \
	} while (0)

static const volatile size_t impossible[] = {
	(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 65536, SIZE_MAX - 4096, SIZE_MAX - 4095, SIZE_MAX - 64,
	SIZE_MAX - 16,		 SIZE_MAX - 15,	   SIZE_MAX - 8,    SIZE_MAX - 1,    SIZE_MAX,
};
#define IMPOSSIBLE (sizeof impossible / sizeof impossible[0])

TEST(no_object_is_larger_than_ptrdiff_max)
{
	void *p = malloc(100);

	pattern_put(p, 100, 1);
	for (size_t i = 0; i < IMPOSSIBLE; i++) {
		size_t n = impossible[i];

		EXPECT_FAILS(malloc(n), ENOMEM);
		EXPECT_FAILS(calloc(1, n), ENOMEM);
		EXPECT_FAILS(calloc(n, 1), ENOMEM);
		EXPECT_FAILS(realloc(NULL, n), ENOMEM);
		EXPECT_FAILS(realloc(p, n), ENOMEM);
		EXPECT_FAILS(reallocarray(p, n, 1), ENOMEM);
		EXPECT_FAILS(memalign(64, n), ENOMEM);
		EXPECT_FAILS(memalign(8, n), ENOMEM);
		EXPECT_FAILS(aligned_alloc(4096, n), ENOMEM);
		EXPECT_FAILS(valloc(n), ENOMEM);
		EXPECT_FAILS(pvalloc(n), ENOMEM);
	}
	EXPECT(pattern_holds(p, 100, 1));
	free(p);
}

/* Below PTRDIFF_MAX a size is possible in principle: here the system has no room for it. */
TEST(what_the_system_refuses_is_enomem)
{
	volatile size_t n = (size_t)PTRDIFF_MAX - 65536;

	EXPECT_FAILS(malloc(n), ENOMEM);
	EXPECT_FAILS(calloc(n, 1), ENOMEM);
	EXPECT_FAILS(realloc(NULL, n), ENOMEM);
	EXPECT_FAILS(memalign(1 << 20, n), ENOMEM);
	EXPECT_FAILS(valloc(n), ENOMEM);
	EXPECT_FAILS(pvalloc(n), ENOMEM);
}

TEST(a_product_that_overflows_is_enomem)
{
	static const volatile size_t factors[][2] = {
		{SIZE_MAX, 2},
		{SIZE_MAX, SIZE_MAX},
		{(size_t)1 << 32, (size_t)1 << 32},
		{SIZE_MAX / 2, 3},
		{((size_t)1 << 33) + 1, (size_t)1 << 31},
		{SIZE_MAX / 16 + 1, 16},
		{SIZE_MAX / 16 + 2, 16},
	};
	void *p = malloc(40);

	for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
		for (int swap = 0; swap < 2; swap++) {
			size_t n = factors[i][swap], size = factors[i][!swap];

			EXPECT_FAILS(calloc(n, size), ENOMEM);
			EXPECT_FAILS(reallocarray(NULL, n, size), ENOMEM);
			EXPECT_FAILS(reallocarray(p, n, size), ENOMEM);
		}
	free(p);
}

TEST(an_alignment_beyond_half_the_addresses_is_einval)
{
	volatile size_t half = SIZE_MAX / 2 + 1;

	EXPECT_FAILS(memalign(half + 1, 1), EINVAL);
	EXPECT_FAILS(memalign(SIZE_MAX, 1), EINVAL);
	EXPECT_FAILS(memalign(half, 1), ENOMEM);
	EXPECT_FAILS(aligned_alloc(half + 1, 1), EINVAL);
	EXPECT_FAILS(aligned_alloc(half, 1), ENOMEM);
}

#ifndef API_GLIBC /* before 2.38 its aligned_alloc was memalign, which rounds up */
TEST(aligned_alloc_wants_a_power_of_two)
{
	static const volatile size_t bad[] = {0, 3, 6, 24, 48, 100, 4095, 4097, 12288, SIZE_MAX};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		EXPECT_FAILS(aligned_alloc(bad[i], 64), EINVAL);
		EXPECT_FAILS(aligned_alloc(bad[i], 0), EINVAL);
		EXPECT_FAILS(aligned_alloc(bad[i], 1 << 20), EINVAL);
	}
}
#endif

TEST(posix_memalign_returns_its_error)
{
	static const volatile size_t bad[] = {
		0, 1, 2, 3, 4, 6, 9, 12, 24, 4095, 4104, 12288, SIZE_MAX / 2, SIZE_MAX};
	char mark;
	void *out = &mark;

	errno = ERRNO_CANARY;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		EXPECT_EQ(posix_memalign(&out, bad[i], 64), EINVAL);
		EXPECT_EQ(posix_memalign(&out, bad[i], 0), EINVAL);
		EXPECT_EQ(posix_memalign(&out, bad[i], too_large), EINVAL);
	}
	EXPECT_EQ(errno, ERRNO_CANARY);
	EXPECT_EQ(out, &mark);
	for (size_t i = 0; i < IMPOSSIBLE; i++) {
		EXPECT_EQ(posix_memalign(&out, sizeof(void *), impossible[i]), ENOMEM);
		EXPECT_EQ(errno, ENOMEM);
		errno = ERRNO_CANARY;
		EXPECT_EQ(posix_memalign(&out, 4096, impossible[i]), ENOMEM);
		EXPECT_EQ(errno, ENOMEM);
		errno = ERRNO_CANARY;
	}
	EXPECT_EQ(out, &mark);
}

TEST(what_succeeds_leaves_errno)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		void *p, *out = NULL;

		EXPECT_QUIET(p = malloc(n));
		EXPECT_QUIET(p = realloc(p, n * 2));
		EXPECT_QUIET(p = realloc(p, n / 2 + 1));
		EXPECT_QUIET(p = reallocarray(p, 3, n));
		EXPECT_QUIET((void)malloc_usable_size(p));
		EXPECT_QUIET(free(p));
		EXPECT_QUIET(p = calloc(n, 1));
		EXPECT_QUIET(free(p));
		EXPECT_QUIET(p = realloc(NULL, n));
		EXPECT_QUIET(p = realloc(p, 0));
		EXPECT_EQ(p, NULL);
		EXPECT_QUIET(p = memalign(256, n));
		EXPECT_QUIET(free(p));
		EXPECT_QUIET(p = aligned_alloc(4096, n));
		EXPECT_QUIET(free(p));
		EXPECT_QUIET(EXPECT_EQ(posix_memalign(&out, 64, n), 0));
		EXPECT_QUIET(free(out));
		EXPECT_QUIET(p = valloc(n));
		EXPECT_QUIET(free(p));
		EXPECT_QUIET(p = pvalloc(n));
		EXPECT_QUIET(free(p));
	}
	EXPECT_QUIET((void)mallinfo2());
	EXPECT_QUIET((void)malloc_trim(0));
	EXPECT_QUIET(free(NULL));
}

/* Many at a time: memory is fetched, split, merged and given back on the way. */
TEST(growing_and_shrinking_leaves_errno)
{
	enum { BLOCKS = 20000 };
	static void *blocks[BLOCKS];

	errno = ERRNO_CANARY;
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = malloc(16 + i * 37 % 9000);
	EXPECT_EQ(errno, ERRNO_CANARY);
	for (size_t i = 0; i < BLOCKS; i++)
		free(blocks[i * 7919 % BLOCKS]);
	EXPECT_EQ(errno, ERRNO_CANARY);
}

/* From here on, the kernel takes no memory back from this process. */
static bool refuse_giving_back(void)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_munmap, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof program / sizeof program[0], program};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int free_under_refusal(void)
{
	void *blocks[SIZES];
	bool left = true;

	if (!refuse_giving_back())
		return 77;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < SIZES; i++)
			blocks[i] = malloc(sizes[i]);
		for (size_t i = 0; i < SIZES; i++) {
			errno = ERRNO_CANARY;
			free(blocks[i]);
			left = left && errno == ERRNO_CANARY;
		}
	}
	return left ? 0 : 1;
}

/* munmap fails in a process that has used up its mappings. */
TEST(free_leaves_errno_where_the_kernel_refuses)
{
	int status = -1;
	pid_t child;

	if (test_on_valgrind())
		test_skip("the refusal would meet valgrind itself");
	child = fork();
	if (child == 0)
		_exit(free_under_refusal());
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("this kernel has no seccomp filters");
	EXPECT_EQ(status, 0);
}
