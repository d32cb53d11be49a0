/* Probes: the note in this program's file leads to a nop here, and to the semaphore. */
#include "base/probe.h"
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What stands at the beginning of a note's contents. */
struct place {
	uint64_t location, base, semaphore;
};

__asm__(".pushsection .rodata\n"
	".balign 4\n"
	"a_nop: nop\n"
	".popsection\n");
extern HIDDEN const char a_nop[];
extern HIDDEN const char probe_base __asm__("_.stapsdt.base");

NOINLINE static uint64_t pass(const char *call, const char *what, uint64_t value)
{
	PROBE3(loam, misuse, call, what, value);
	return value + strlen(call) + strlen(what);
}

static char *read_self(size_t *ret_size)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	*ret_size = (size_t)st.st_size;
	data = malloc(*ret_size);
	if (!data || read(fd, data, *ret_size) != st.st_size)
		abort();
	close(fd);
	return data;
}

/* Whether a note's place is that of the probe in pass(). */
static bool is_in_pass(const struct place *p)
{
	uintptr_t moved = (uintptr_t)&probe_base - (uintptr_t)p->base;
	const char *code = (const char *)(moved + p->location);
	uintptr_t distance = (uintptr_t)code - (uintptr_t)pass;

	return distance < 256 && *code == *a_nop &&
	       moved + p->semaphore == (uintptr_t)&loam_misuse_semaphore;
}

TEST(a_probe_has_a_note)
{
	static const char name[] = "loam\0misuse\0"
				   "8@"; /* after the place */
	size_t size, found = 0;
	char *data = read_self(&size), *end = data + size;

	for (char *at = data; (at = memmem(at, (size_t)(end - at), "stapsdt", 8)); at++) {
		struct place p;

		if (end - at < 8 + (ptrdiff_t)(sizeof p + sizeof name) ||
		    memcmp(at + 8 + sizeof p, name, sizeof name - 1))
			continue;
		memcpy(&p, at + 8, sizeof p);
		found += is_in_pass(&p);
	}
	EXPECT_EQ(found, 1);
	free(data);
}

TEST(a_probe_changes_nothing)
{
	EXPECT_EQ(pass("call", "what", 1), 9);
	EXPECT_EQ(pass("", "", UINT64_MAX), UINT64_MAX);
}

TEST(semaphores_are_apart_and_zero)
{
	static const volatile uint16_t *const all[] = {
#define PROBE(provider, name, ...) &provider##_##name##_semaphore,
#include "base/probes.def"
#undef PROBE
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		EXPECT_EQ(*all[i], 0);
		for (size_t k = 0; k < i; k++)
			EXPECT(all[i] != all[k]);
	}
}
