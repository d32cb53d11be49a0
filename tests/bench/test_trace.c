/*
 * The reader of traces: what was written is read, and whatever else a file holds ends in a clear
 * line, with the events before it intact.  And the table of live addresses, against a plain array.
 */
#include "live.h"
#include "reader.h"
#include "test.h"

#include <string.h>

enum { CAPACITY = 128, MOST_EVENTS = 400, MOST_BYTES = 1 << 16 };

/* ---- A writer. */

struct written {
	unsigned char bytes[MOST_BYTES];
	size_t nbytes;
	struct trace_block *block;
	uint64_t units;
	uint32_t thread;
	struct trace_event events[MOST_EVENTS];
	uint64_t nevents;
};

static struct written w;

static void put(const void *bytes, size_t nbytes)
{
	memcpy(w.bytes + w.nbytes, bytes, nbytes);
	w.nbytes += nbytes;
}

static void put_number(uint64_t number)
{
	do {
		unsigned char byte = (number & 0x7f) | (number > 0x7f ? 0x80 : 0);

		put(&byte, 1);
		number >>= 7;
	} while (number);
}

static void put_address(uint64_t address)
{
	uint64_t difference = (address >> 4) - w.units;

	put_number(difference << 1 ^ -(difference >> 63));
	w.units = address >> 4;
}

static unsigned char *block_events(void)
{
	return (unsigned char *)(w.block + 1);
}

static void close_block(bool last)
{
	w.block->used = (uint32_t)(w.bytes + w.nbytes - block_events());
	w.block->last = last;
	w.block->checksum = trace_checksum(block_events(), w.block->used);
	w.nbytes += CAPACITY - w.block->used;
}

static void open_block(void)
{
	struct trace_block block = {TRACE_BLOCK_MAGIC, CAPACITY, 0, 0, w.nevents, 0, 0};

	w.block = (struct trace_block *)(w.bytes + w.nbytes);
	put(&block, sizeof(block));
	w.units = w.thread = 0;
}

static void begin(void)
{
	struct trace_header header = {.magic = TRACE_MAGIC, .header_bytes = sizeof(header)};

	memset(&w, 0, sizeof(w));
	put(&header, sizeof(header));
	open_block();
}

static void put_event(const struct trace_event *event)
{
	bool has_old = event->op == TRACE_REALLOC || event->op == TRACE_FREE;
	unsigned char byte = event->op | (event->thread != w.thread ? TRACE_NEW_THREAD : 0) |
			     (has_old && !event->old ? TRACE_NULL : 0) |
			     (event->old & 15 ? TRACE_ODD_ADDRESS : 0) |
			     (event->op != TRACE_FREE && !event->result ? TRACE_NO_RESULT : 0);

	if (w.bytes + w.nbytes + TRACE_EVENT_MAX > block_events() + CAPACITY) {
		close_block(false);
		open_block();
		byte |= event->thread ? TRACE_NEW_THREAD : 0;
	}
	put(&byte, 1);
	if (byte & TRACE_NEW_THREAD)
		put_number(event->thread);
	w.thread = event->thread;
	if (event->old)
		put_address(event->old);
	if (event->old & 15)
		put_number(event->old & 15);
	if (event->op == TRACE_ALIGNED)
		put_number(event->align_log2);
	if (event->op != TRACE_FREE)
		put_number(event->size);
	if (event->result)
		put_address(event->result);
	w.events[w.nevents] = *event;
	w.events[w.nevents].number = w.nevents;
	w.nevents++;
}

/* An event of any kind, with numbers of any length. */
static struct trace_event any_event(uint64_t *random)
{
	struct trace_event event = {.op = TRACE_MALLOC + test_random(random) % (TRACE_OPS - 1)};
	uint64_t address = (test_random(random) >> 4 >> test_random(random) % 59) + 1;

	event.thread = test_random(random) % 4 ? w.thread : test_random(random) % 300;
	if (event.op == TRACE_ALIGNED)
		event.align_log2 = test_random(random) % (TRACE_MAX_ALIGN_LOG2 + 1);
	if (event.op != TRACE_FREE)
		event.size = test_random(random) >> test_random(random) % 64;
	if (event.op != TRACE_FREE && test_random(random) % 8)
		event.result = (address << 4);
	address = (test_random(random) >> 4 >> test_random(random) % 59) + 1;
	if ((event.op == TRACE_FREE || event.op == TRACE_REALLOC) && test_random(random) % 8)
		event.old =
			(address << 4) | (test_random(random) % 8 ? 0 : test_random(random) % 16);
	return event;
}

static void write_any(uint64_t nevents, bool finished)
{
	uint64_t random = test_seed() | 1;

	begin();
	while (w.nevents < nevents) {
		struct trace_event event = any_event(&random);

		put_event(&event);
	}
	if (finished)
		close_block(true);
	else
		w.block->used = (uint32_t)(w.bytes + w.nbytes - block_events());
}

/* ---- Reading. */

static bool same(const struct trace_event *a, const struct trace_event *b)
{
	return a->number == b->number && a->op == b->op && a->thread == b->thread &&
	       a->align_log2 == b->align_log2 && a->old == b->old && a->size == b->size &&
	       a->result == b->result;
}

/* Reads bytes, in memory that ends where they do; returns how many events were as written. */
static uint64_t read_back(struct trace_reader *reader, const unsigned char *bytes, size_t nbytes)
{
	unsigned char *exact = malloc(nbytes ? nbytes : 1);
	struct trace_event event;
	uint64_t good = 0, all = 0;

	memcpy(exact, bytes, nbytes);
	if (trace_open(reader, exact, nbytes))
		while (trace_next(reader, &event)) {
			good += all == good && all < w.nevents && same(&event, &w.events[all]);
			all++;
		}
	EXPECT(reader->state != TRACE_READING);
	EXPECT_EQ(reader->state == TRACE_WHOLE, !*reader->problem);
	free(exact);
	return good == all ? good : UINT64_MAX;
}

TEST(what_is_written_is_read)
{
	struct trace_reader reader;

	write_any(MOST_EVENTS, true);
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), MOST_EVENTS);
	EXPECT_EQ(reader.state, TRACE_WHOLE);
	write_any(MOST_EVENTS, false);
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), MOST_EVENTS);
	EXPECT_EQ(reader.state, TRACE_UNFINISHED);
	EXPECT_STR(reader.problem, "not finished at byte");
	begin();
	close_block(true);
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), 0);
	EXPECT_EQ(reader.state, TRACE_WHOLE);
}

/* Every prefix gives a prefix of the events; none is whole but that which lacks only padding. */
TEST(cut_anywhere)
{
	struct trace_reader reader;
	uint64_t most = 0;
	size_t end;

	write_any(60, true);
	end = (size_t)(block_events() - w.bytes) + w.block->used;
	for (size_t n = 0; n < w.nbytes; n++) {
		uint64_t events = read_back(&reader, w.bytes, n);

		EXPECT(events != UINT64_MAX && events >= most);
		EXPECT_EQ(reader.state == TRACE_WHOLE, n >= end);
		EXPECT(*reader.problem || n >= end);
		most = events;
	}
	EXPECT_EQ(most, 60);
}

/* A damaged byte takes events away, and never changes one: a checksum or a limit catches it. */
TEST(damaged_anywhere)
{
	struct trace_reader reader;
	uint64_t random = test_seed() | 1;

	write_any(60, true);
	for (size_t i = 0; i < w.nbytes; i++) {
		unsigned char was = w.bytes[i];

		w.bytes[i] ^= (unsigned char)(1 + test_random(&random) % 255);
		EXPECT(read_back(&reader, w.bytes, w.nbytes) != UINT64_MAX);
		w.bytes[i] = was;
	}
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), 60);
}

/* Where no checksum protects: an open block of anything ends somehow, within its bytes. */
TEST(any_bytes_as_events)
{
	struct trace_reader reader;
	uint64_t random = test_seed() | 1;

	for (int round = 0; round < 20000; round++) {
		unsigned char byte;

		begin();
		for (size_t i = test_random(&random) % CAPACITY; i > 0; i--) {
			byte = (unsigned char)(test_random(&random) >> 20);
			put(&byte, 1);
		}
		w.block->used = (uint32_t)(w.bytes + w.nbytes - block_events());
		read_back(&reader, w.bytes, w.nbytes);
	}
}

/* A block of these bytes must be refused, for this reason. */
static void expect_refused(const char *bytes, size_t nbytes, const char *why)
{
	struct trace_reader reader;

	begin();
	put(bytes, nbytes);
	close_block(true);
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), 0);
	EXPECT_EQ(reader.state, TRACE_DAMAGED);
	EXPECT_STR(reader.problem, why);
	EXPECT_STR(reader.problem, "at byte ");
}

#define REFUSED(bytes, why) expect_refused(bytes, sizeof(bytes) - 1, why)

TEST(events_that_cannot_be)
{
	REFUSED("\x00", "no event begins with such a byte");
	REFUSED("\x06", "no event begins with such a byte");
	REFUSED("\x25\x02", "no event begins with such a byte"); /* a free with a result */
	REFUSED("\xc5\x02", "no event begins with such a byte"); /* NULL, and odd */
	REFUSED("\x01", "runs over the end");
	REFUSED("\x01\x80", "runs over the end");
	REFUSED("\x01\x10", "runs over the end");
	REFUSED("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x02", "more than 64 bits");
	REFUSED("\x01\x10\x00", "an address is out of range"); /* NULL */
	REFUSED("\x01\x10\x01", "an address is out of range"); /* below it */
	REFUSED("\x11\x80\x80\x80\x01\x10\x02", "a thread's number is out of range");
	REFUSED("\x03\x30\x10\x02", "an alignment is out of range");
	REFUSED("\x85\x02\x10", "an address's lowest bits are out of range");
}

TEST(blocks_that_cannot_be)
{
	static const struct {
		size_t field;
		uint32_t value;
		const char *why;
	} rows[] = {
		{offsetof(struct trace_block, magic), 1, "no block begins where one should"},
		{offsetof(struct trace_block, used), CAPACITY + 1, "more than it can"},
		{offsetof(struct trace_block, last), 2, "last flag makes no sense"},
		{offsetof(struct trace_block, events), 1, "a block is missing"},
		{offsetof(struct trace_block, checksum), 1, "checksum does not fit"},
	};
	struct trace_reader reader;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		write_any(3, true);
		memcpy((char *)w.block + rows[i].field, &rows[i].value, sizeof(rows[i].value));
		EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), 0);
		EXPECT_EQ(reader.state, TRACE_DAMAGED);
		EXPECT_STR(reader.problem, rows[i].why);
	}
	write_any(3, true);
	put("more", 4);
	EXPECT_EQ(read_back(&reader, w.bytes, w.nbytes), 3);
	EXPECT_EQ(reader.state, TRACE_DAMAGED);
	write_any(3, true);
	EXPECT(!trace_open(&reader, "ELF, not a trace", 16));
	EXPECT_STR(reader.problem, "no trace");
}

TEST(live_addresses)
{
	enum { ADDRESSES = 20000 };
	static uint32_t slot_of[ADDRESSES + 1]; /* 0: not live */
	uint64_t random = test_seed() | 1;
	size_t nlive = 0;
	struct live live;

	live_init(&live);
	for (uint32_t i = 1; i < 200000; i++) {
		uint64_t address = 1 + test_random(&random) % ADDRESSES;
		uint32_t slot = 0;
		bool found = live_find(&live, address, &slot);

		EXPECT_EQ(found, slot_of[address] != 0);
		EXPECT(!found || slot == slot_of[address]);
		nlive += found ? -1 : 1;
		slot_of[address] = found ? 0 : i;
		if (found)
			live_remove(&live, address);
		else
			live_add(&live, address, i);
	}
	EXPECT_EQ(live.count, nlive);
	live_deinit(&live);
}
