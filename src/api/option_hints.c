/* Names that are no option's; see option_hints.h. */
#include "api/option_hints.h"

#define PART_LEAST 4 /* letters that say which word they are the beginning of */

/* --- slips --------------------------------------------------------------------------------- */

size_t word_distance(struct word a, struct word b)
{
	size_t row[WORD_MOST + 1], diagonal, above;

	if (a.length > WORD_MOST || b.length > WORD_MOST)
		return WORD_MOST;
	for (size_t j = 0; j <= b.length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.length; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.length; j++, diagonal = above) {
			size_t change = diagonal + (lower(a.start[i - 1]) != b.start[j - 1]);

			above = row[j];
			row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			row[j] = change < row[j] ? change : row[j];
		}
	}
	return row[b.length];
}

/* Whether the words differ by two neighbours that changed places. */
static bool is_swapped(struct word a, struct word b)
{
	size_t i = 0;

	if (a.length != b.length || word_distance(a, b) != 2)
		return false;
	while (lower(a.start[i]) == b.start[i])
		i++;
	return i + 1 < a.length && lower(a.start[i]) == b.start[i + 1] &&
	       lower(a.start[i + 1]) == b.start[i];
}

/* A letter in three. */
bool word_is_near(struct word a, struct word b)
{
	size_t shorter = a.length < b.length ? a.length : b.length;

	return word_distance(a, b) <= shorter / 3 || is_swapped(a, b);
}

/* "trim" for "trim_threshold", "harden_level" for "harden". */
static bool is_begun(struct word a, struct word b)
{
	size_t shorter = a.length < b.length ? a.length : b.length;

	return shorter >= PART_LEAST &&
	       word_distance((struct word){a.start, shorter}, (struct word){b.start, shorter}) == 0;
}

const struct option *option_near(struct word name)
{
	const struct option *best = NULL;
	size_t least = SIZE_MAX;

	for (unsigned i = 0; name.length <= WORD_MOST && i < option_count; i++) {
		struct word other = word_of(option_table[i].name);
		size_t distance = word_distance(name, other);

		if (distance < least && (word_is_near(name, other) || is_begun(name, other))) {
			best = &option_table[i];
			least = distance;
		}
	}
	return best;
}

/* --- other allocators ---------------------------------------------------------------------- */

/*
 * Lines "name whose here", here being the options that stand for it, or "-"; a name that ends in
 * '*' is the beginning of many.  One string, which lies with the others that are for messages
 * alone.
 */
#define OTHERS                                                                                     \
	"narenas jemalloc arena_max\n"                                                             \
	"percpu_arena jemalloc arena_max\n"                                                        \
	"dirty_decay_ms jemalloc decay_ms, retain_floor\n"                                         \
	"muzzy_decay_ms jemalloc decay_ms, retain_floor\n"                                         \
	"retain jemalloc retain_floor, retain_share\n"                                             \
	"background_thread jemalloc background\n"                                                  \
	"max_background_threads jemalloc -\n"                                                      \
	"oversize_threshold jemalloc mmap_threshold\n"                                             \
	"stats_print* jemalloc stats\n"                                                            \
	"stats_interval* jemalloc stats\n"                                                         \
	"confirm_conf jemalloc confirm\n"                                                          \
	"abort jemalloc harden_action\n"                                                           \
	"abort_conf jemalloc -\n"                                                                  \
	"junk jemalloc perturb\n"                                                                  \
	"zero jemalloc perturb\n"                                                                  \
	"redzone jemalloc harden\n"                                                                \
	"prof_prefix jemalloc prof_file\n"                                                         \
	"prof_a* jemalloc prof\n"                                                                  \
	"prof_final jemalloc prof\n"                                                               \
	"prof_g* jemalloc prof\n"                                                                  \
	"prof_l* jemalloc prof\n"                                                                  \
	"prof_s* jemalloc prof\n"                                                                  \
	"prof_t* jemalloc prof\n"                                                                  \
	"lg_prof* jemalloc prof\n"                                                                 \
	"utrace jemalloc record\n"                                                                 \
	"tcache* jemalloc -\n"                                                                     \
	"lg_tcache_max jemalloc -\n"                                                               \
	"metadata_thp jemalloc -\n"                                                                \
	"dss jemalloc -\n"                                                                         \
	"purge_delay mimalloc decay_ms, retain_floor\n"                                            \
	"purge_decommits mimalloc -\n"                                                             \
	"arena_eager_commit mimalloc -\n"                                                          \
	"eager_commit* mimalloc -\n"                                                               \
	"allow_large_os_pages mimalloc -\n"                                                        \
	"large_os_pages mimalloc -\n"                                                              \
	"reserve_* mimalloc -\n"                                                                   \
	"show_stats mimalloc stats\n"                                                              \
	"show_errors mimalloc report\n"                                                            \
	"max_errors mimalloc -\n"                                                                  \
	"guarded_sample_rate mimalloc guard\n"                                                     \
	"release_rate tcmalloc retain_floor, retain_share\n"                                       \
	"sample_parameter tcmalloc prof\n"                                                         \
	"max_total_thread_cache_bytes tcmalloc -\n"                                                \
	"large_alloc_report_threshold tcmalloc -\n"                                                \
	"aggressive_decommit tcmalloc retain_floor, retain_share\n"                                \
	"quarantine_size_kb Scudo quarantine\n"                                                    \
	"thread_local_quarantine_size_kb Scudo quarantine\n"                                       \
	"release_to_os_interval_ms Scudo decay_ms, retain_floor\n"                                 \
	"delete_size_mismatch Scudo harden\n"                                                      \
	"dealloc_type_mismatch Scudo harden\n"                                                     \
	"zero_contents Scudo perturb\n"                                                            \
	"pattern_fill_contents Scudo perturb\n"                                                    \
	"may_return_null Scudo -\n"                                                                \
	"gwp_asan_samplerate Scudo guard\n"

/* The word at *c up to `end`, behind which *c is left. */
static struct word next_word(const char **c, char end)
{
	struct word w = {*c, 0};

	while (w.start[w.length] != end)
		w.length++;
	*c += w.length + 1;
	return w;
}

static bool is_of(struct word name, struct word pattern)
{
	if (pattern.start[pattern.length - 1] == '*') {
		pattern.length--;
		name.length = name.length < pattern.length ? name.length : pattern.length;
	}
	return name.length == pattern.length && word_distance(name, pattern) == 0;
}

bool option_of_others(struct word name, struct word *ret_whose, struct word *ret_here)
{
	const char *c = OTHERS;

	while (*c) {
		struct word pattern = next_word(&c, ' ');

		*ret_whose = next_word(&c, ' ');
		*ret_here = next_word(&c, '\n');
		if (*ret_here->start == '-')
			ret_here->length = 0;
		if (is_of(name, pattern))
			return true;
	}
	return false;
}
