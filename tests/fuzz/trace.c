/* The reader of traces: no bytes make it read beyond them, or go on for ever. */
#include "fuzz.h"

#include "reader.h"

#include <string.h>

static void read_all(const uint8_t *data, size_t size)
{
	struct trace_reader reader;
	struct trace_event event;
	uint64_t events = 0;

	if (!trace_open(&reader, data, size)) {
		MUST(reader.problem[0]);
		return;
	}
	while (trace_next(&reader, &event)) {
		MUST(event.op > TRACE_END && event.op < TRACE_OPS);
		MUST(event.thread < TRACE_MAX_THREADS);
		MUST(++events <= size);
	}
	MUST(reader.state != TRACE_READING);
}

/* A file of one block, whose events these bytes are. */
static void read_as_events(const uint8_t *data, uint32_t size)
{
	static struct {
		struct trace_header header;
		struct trace_block block;
		uint8_t events[4096];
	} file;

	size = size < sizeof file.events ? size : sizeof file.events;
	memcpy(file.header.magic, TRACE_MAGIC, sizeof file.header.magic);
	file.header.header_bytes = sizeof file.header;
	file.block = (struct trace_block){.magic = TRACE_BLOCK_MAGIC,
					  .capacity = size,
					  .used = size,
					  .last = 1,
					  .checksum = trace_checksum(data, size)};
	memcpy(file.events, data, size);
	read_all((const uint8_t *)&file, sizeof file - sizeof file.events + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size);
	read_as_events(data, (uint32_t)size);
	return 0;
}
