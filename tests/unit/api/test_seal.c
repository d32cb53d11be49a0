/* Sealed memory is read-only; the options can be opened again, with the values that they had. */
#include "api/seal.h"

#include "base/options.h"
#include "heap/chunk.h"
#include "os/os.h"
#include "slab/slab.h"
#include "test.h"

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
