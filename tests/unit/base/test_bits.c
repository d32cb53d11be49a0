/* Bits and alignment, each against its plain definition. */
#include "base/bits.h"
#include "test.h"

TEST(powers_of_two_are_told_from_others)
{
	EXPECT(!is_power_of_two(0));
	for (unsigned i = 0; i < 64; i++) {
		size_t power = (size_t)1 << i;

		EXPECT(is_power_of_two(power));
		if (i > 1) {
			EXPECT(!is_power_of_two(power - 1));
			EXPECT(!is_power_of_two(power + 1));
		}
	}
}

TEST(alignment_rounds_to_the_next_multiple)
{
	for (size_t alignment = 1; alignment <= 64; alignment *= 2)
		for (size_t n = 0; n < 300; n++) {
			EXPECT_EQ(align_down(n, alignment), n / alignment * alignment);
			EXPECT_EQ(align_up(n, alignment),
				  (n + alignment - 1) / alignment * alignment);
			EXPECT_EQ(is_aligned(n, alignment), n % alignment == 0);
		}
	EXPECT_EQ(align_up(SIZE_MAX, 16), 0); /* wraps, as documented */
	EXPECT_EQ(align_down(SIZE_MAX, 16), SIZE_MAX - 15);
}

TEST(logarithms_bracket_their_number)
{
	EXPECT_EQ(log2_floor(1), 0);
	EXPECT_EQ(log2_ceil(1), 0);
	EXPECT_EQ(log2_floor(SIZE_MAX), 63);
	for (size_t n = 2; n < 5000; n++) {
		EXPECT((size_t)1 << log2_floor(n) <= n && n < (size_t)2 << log2_floor(n));
		EXPECT((size_t)1 << log2_ceil(n) >= n && n > (size_t)1 << (log2_ceil(n) - 1));
	}
	for (unsigned i = 1; i < 64; i++) {
		EXPECT_EQ(log2_floor((size_t)1 << i), i);
		EXPECT_EQ(log2_ceil((size_t)1 << i), i);
		EXPECT_EQ(log2_floor(((size_t)1 << i) - 1), i - 1);
	}
}

TEST(ends_of_a_word_are_found)
{
	for (unsigned low = 0; low < 64; low++)
		for (unsigned high = low; high < 64; high++) {
			uint64_t word = (uint64_t)1 << low | (uint64_t)1 << high;

			EXPECT_EQ(lowest_bit(word), low);
			EXPECT_EQ(highest_bit(word), high);
		}
}

TEST(sets_over_words_hold_what_was_set)
{
	uint64_t words[4] = {0}, state = test_seed();
	bool shadow[256] = {false};

	for (int i = 0; i < 20000; i++) {
		size_t n = test_random(&state) % 256;

		if (test_random(&state) % 2) {
			bit_set(words, n);
			shadow[n] = true;
		} else {
			bit_clear(words, n);
			shadow[n] = false;
		}
		n = test_random(&state) % 256;
		EXPECT_EQ(bit_test(words, n), shadow[n]);
	}
	for (size_t n = 0; n < 256; n++)
		EXPECT_EQ(bit_test(words, n), shadow[n]);
}

/* Every range of two words and a bit, with one bit set, against a plain look. */
TEST(one_bit_is_found_in_each_range_that_it_is_in)
{
	for (size_t bit = 0; bit < 129; bit++) {
		uint64_t words[3] = {0};

		bit_set(words, bit);
		for (size_t from = 0; from < 129; from++)
			for (size_t end = from; end <= 129; end++) {
				size_t found = from <= bit && bit < end ? bit : end;

				EXPECT_EQ(bits_first(words, from, end), found);
				EXPECT_EQ(bits_last(words, from, end), found);
			}
	}
}

TEST(the_ends_of_a_random_set_and_all_between_are_found)
{
	enum { MOST = 512 };
	uint64_t words[MOST / 64] = {0}, state = test_seed();

	for (int i = 0; i < 20000; i++) {
		size_t n = test_random(&state) % MOST, from = test_random(&state) % MOST;
		size_t end = from + test_random(&state) % (MOST - from), first = from, last = end,
		       seen = 0;

		/* it fills, and empties */
		if (test_random(&state) % 400 < (i / 2000 % 2 ? 300u : 100u))
			bit_set(words, n);
		else
			bit_clear(words, n);
		while (first < end && !bit_test(words, first))
			first++;
		while (last > from && !bit_test(words, last - 1))
			last--;
		EXPECT_EQ(bits_first(words, from, end), first);
		EXPECT_EQ(bits_last(words, from, end), last > from ? last - 1 : end);
		bits_for_each (b, words, from, end)
			seen += bit_test(words, b) ? 1 : MOST;
		for (size_t b = from; b < end; b++)
			seen -= bit_test(words, b);
		EXPECT_EQ(seen, 0);
	}
}

TEST(bits_are_counted)
{
	uint64_t state = test_seed();

	EXPECT_EQ(bits_count(0), 0);
	EXPECT_EQ(bits_count(UINT64_MAX), 64);
	for (int i = 0; i < 5000; i++) {
		uint64_t word = test_random(&state) & test_random(&state) >> i % 64;
		unsigned n = 0;

		for (unsigned bit = 0; bit < 64; bit++)
			n += word >> bit & 1;
		EXPECT_EQ(bits_count(word), n);
	}
}

TEST(mixing_spreads_each_bit_over_the_word)
{
	uint64_t state = test_seed();
	unsigned least = 64, most = 0;

	for (int i = 0; i < 200; i++) {
		uint64_t x = test_random(&state);

		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t changed = mix64(x) ^ mix64(x ^ (uint64_t)1 << bit);
			unsigned n = (unsigned)__builtin_popcountll(changed);

			least = n < least ? n : least;
			most = n > most ? n : most;
		}
	}
	EXPECT(least >= 8); /* of 64; 32 expected, 4 to a standard deviation */
	EXPECT(most <= 56);
	EXPECT_EQ(mix64(0), 0);
}
