/* Laying fences and looking at them; see fence_bytes.h. */
#include "harden/fence_bytes.h"

#include "os/check.h"

SEALED uint64_t fence_secret;

/* What a fence is made of, word by word.  No byte is 0 or text, as overflows mostly are. */
static uint64_t fence_word(const void *mem)
{
	return key_of(mem) | 0x8181818181818181;
}

static unsigned char byte_of(const uint64_t *word, size_t i)
{
	return ((const unsigned char *)word)[i % WORD];
}

void lay_fence(void *mem, size_t size, size_t usable)
{
	uint64_t word = fence_word(mem);
	size_t i = size, end = fence_end(size, usable);

	ASSERT(usable % WORD == 0 && size + FENCE_LEAST + TRAILER <= usable);
	for (; i % WORD; i++)
		((unsigned char *)mem)[i] = byte_of(&word, i);
	for (; i < end; i += WORD)
		*word_at(mem, i) = word;
	set_trailer(mem, usable, size ^ key_of(mem));
}

size_t fence_break(const void *mem, size_t size, size_t usable)
{
	const unsigned char *bytes = mem;
	uint64_t word = fence_word(mem);
	size_t i = size, end = fence_end(size, usable);

	ASSERT(usable % WORD == 0 && size <= usable - TRAILER);
	while (i % WORD && bytes[i] == byte_of(&word, i))
		i++;
	while (i % WORD == 0 && i < end && *word_at(mem, i) == word)
		i += WORD;
	while (i < end && bytes[i] == byte_of(&word, i))
		i++;
	return i;
}

size_t first_not_zero(const void *mem, size_t from, size_t end)
{
	while (from < end && !((const char *)mem)[from])
		from++;
	return from;
}
