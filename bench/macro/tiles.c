/*
 * Four threads compute tiles of images into a cache of 500, and free the tiles that they replace,
 * whoever computed these.
 *
 * Tiles are of 64, 128 or 256 pixels square, four bytes each: 16, 64 and 256 KiB; one in five is at
 * the edge of its image, and narrower.  Each is computed in a scratch tile of the same size, which
 * is freed at once.
 *
 * Stands for: image editors, map and slide servers.
 * Cares: those whose memory is a cache of medium blocks: too large to be small objects, too small
 * to be mapped one by one.
 * Source: Kirk Martinez and John Cupitt, "VIPS - a highly tuned image processing software
 * architecture" (ICIP 2005), and the tile cache that GIMP's manual describes.
 */
#include "block.h"

enum { THREADS = 4, TILES = 200000, PLACES = 500, PIXEL = 4, EDGE = 5 };

static const size_t side[] = {64, 64, 128, 128, 128, 256};

static void *cache[PLACES];

static size_t some_size(struct random *r)
{
	size_t height = side[random_below(r, sizeof side / sizeof *side)], width = height;

	if (random_below(r, EDGE) == 0)
		width = random_between(r, 1, height);
	return PIXEL * width * height;
}

static uint64_t body(struct workload_thread *self, void *arg)
{
	uint64_t tiles = *(const uint64_t *)arg, sum = 0;

	for (uint64_t i = 0; i < tiles; i++) {
		size_t nbytes = some_size(&self->random);
		void **place = &cache[random_below(&self->random, PLACES)];
		void *scratch = parcel_filled(self, nbytes), *tile = parcel_alloc(self, nbytes);

		memcpy(tile, scratch, nbytes);
		workload_use(tile);
		sum += parcel_free(self, scratch);
		sum += parcel_free(self, parcel_exchange(place, tile));
	}
	return sum;
}

int main(int argc, char **argv)
{
	unsigned nthreads;
	uint64_t tiles, sum;

	workload_start(argc, argv, "tiles", NULL);
	nthreads = workload_threads(THREADS);
	tiles = workload_scaled(TILES) / nthreads + 1;
	sum = workload_run(nthreads, body, &tiles);
	for (unsigned i = 0; i < PLACES; i++)
		sum += parcel_free(workload_main_thread(), cache[i]);
	return workload_end(sum);
}
