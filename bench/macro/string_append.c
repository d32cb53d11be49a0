/*
 * A thousand strings grow by appends until they have their length of 64 bytes to 64 KiB, and are
 * then replaced by new ones; which one grows next is chance.
 *
 * An append adds up to half of what there is.  Where it does not fit, realloc makes room: half of
 * the strings ask for twice what they need, a quarter for 1.5 times, a quarter for no more than
 * they need.  Half of the strings are shrunk to their length when they have it, and read before
 * they end.
 *
 * Stands for: string builders, answers and documents put together piece by piece.
 * Cares: interpreters and servers that make text: how often a growing block has to move, and what
 * its former places are good for.
 * Source: Andrei Alexandrescu, documentation of folly's FBVector (2012), on factors of growth, and
 * Salvatore Sanfilippo, documentation of SDS (2014), on room made in advance.
 */
#include "block.h"

enum { APPENDS = 18000000, STRINGS = 1000, SHORTEST_LOG = 6, LENGTH_LOGS = 10 };

enum growth { TWICE, TWICE_TOO, HALF_MORE, EXACT, GROWTHS };

struct string {
	unsigned char *text;
	size_t length, room, most;
	enum growth growth;
};

static size_t room_for(const struct string *string, size_t length)
{
	switch (string->growth) {
	case TWICE:
	case TWICE_TOO:
		return 2 * length;
	case HALF_MORE:
		return length + length / 2;
	default:
		return length;
	}
}

/* An empty string; half of all lengths are in the lower half of the powers of two. */
static void string_start(struct workload_thread *self, struct string *string)
{
	uint64_t low =
		1ull << random_between(&self->random, SHORTEST_LOG, SHORTEST_LOG + LENGTH_LOGS - 1);

	*string = (struct string){.most = random_between(&self->random, low, 2 * low),
				  .growth = (enum growth)random_below(&self->random, GROWTHS)};
}

static void string_resize(struct workload_thread *self, struct string *string, size_t room)
{
	string->text = workload_realloc(self, string->text, string->room, room);
	string->room = room;
}

static void string_append(struct workload_thread *self, struct string *string, size_t nbytes)
{
	size_t length = string->length + nbytes;

	if (length > string->room)
		string_resize(self, string, room_for(string, length));
	memset(string->text + string->length, (int)length, nbytes);
	string->length = length;
	workload_use(string->text);
}

/* Frees a string; what was read of it. */
static uint64_t string_end(struct workload_thread *self, struct string *string)
{
	uint64_t sum = string->length;

	if (!string->text)
		return 0;
	if (string->growth <= TWICE_TOO && string->length < string->room)
		string_resize(self, string, string->length);
	for (size_t i = 0; i < string->length; i += 64)
		sum += string->text[i];
	workload_free(self, string->text, string->room);
	return sum;
}

int main(int argc, char **argv)
{
	static struct string strings[STRINGS];
	struct workload_thread *self;
	uint64_t appends, sum = 0;

	workload_start(argc, argv, "string_append", NULL);
	self = workload_main_thread();
	appends = workload_scaled(APPENDS);
	for (unsigned i = 0; i < STRINGS; i++)
		string_start(self, &strings[i]);
	for (uint64_t i = 0; i < appends; i++) {
		struct string *string = &strings[random_below(&self->random, STRINGS)];

		if (string->length >= string->most) {
			sum += string_end(self, string);
			string_start(self, string);
		}
		string_append(self, string,
			      random_between(&self->random, 1, 16 + string->length / 2));
	}
	for (unsigned i = 0; i < STRINGS; i++)
		sum += string_end(self, &strings[i]);
	return workload_end(sum);
}
