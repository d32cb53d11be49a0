/* Sealed memory is read-only; the options can be opened again, with the values that they had. */
#include "api/seal.h"

#include "base/options.h"
#include "heap/chunk.h"
#include "os/os.h"
#include "slab/slab.h"
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

SEALED static size_t sealed_word = 1;

/* The signal that ends a child which writes there, or 0. */
static int signal_of_write(size_t *word)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile size_t *)word = 2;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST(nothing_is_sealed_before_that)
{
	EXPECT(seal_open_options());
	EXPECT_EQ(signal_of_write(&sealed_word), 0);
	EXPECT_EQ(signal_of_write(&options.mmap_threshold), 0);
}

TEST(what_is_sealed_is_read_only_and_what_lies_around_is_not)
{
	static size_t other = 1;

	if (os_page_size() != 4096)
		test_skip("pages are larger than 4 KiB");
	sealed_word = 3;
	seal(false);
	EXPECT_EQ(sealed_word, 3);
	EXPECT_EQ(signal_of_write(&sealed_word), SIGSEGV);
	EXPECT_EQ(signal_of_write(&options.mmap_threshold), SIGSEGV);
	EXPECT_EQ(signal_of_write(&other), 0);
}

TEST(secrets_are_sealed)
{
	if (os_page_size() != 4096)
		test_skip("pages are larger than 4 KiB");
	seal(false);
	EXPECT_EQ(signal_of_write((size_t *)&slab_mark_secret), SIGSEGV);
	EXPECT_EQ(signal_of_write((size_t *)&chunk_secret), SIGSEGV);
}

TEST(options_can_be_opened_again)
{
	size_t before = options.mmap_threshold;

	EXPECT(seal_open_options());
	EXPECT_EQ(options.mmap_threshold, before);
	options.mmap_threshold = before + 1;
	EXPECT_EQ(options.mmap_threshold, before + 1);
	EXPECT_EQ(signal_of_write(&sealed_word), os_page_size() == 4096 ? SIGSEGV : 0);
}

static pthread_barrier_t both;

static void *open_and_set(void *option)
{
	pthread_barrier_wait(&both);
	if (seal_open_options())
		store_relaxed((size_t *)option, 12345);
	return NULL;
}

/* Whether two threads that open the options at once both find later what they set. */
static bool keeps_both(void)
{
	size_t *set[] = {&options.mmap_threshold, &options.top_pad};
	pthread_t threads[2];

	*set[0] = *set[1] = 1;
	seal(false);
	REQUIRE(pthread_barrier_init(&both, NULL, 2) == 0);
	for (int i = 0; i < 2; i++)
		REQUIRE(pthread_create(&threads[i], NULL, open_and_set, set[i]) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&both);
	return *set[0] == 12345 && *set[1] == 12345;
}

TEST(threads_that_open_them_at_once_lose_no_value)
{
	int rounds = test_on_valgrind() || test_emulated ? 100 : 2000;

	EXPECT(seal_open_options());
	for (int i = 0; i < rounds; i++)
		REQUIRE(keeps_both());
}
