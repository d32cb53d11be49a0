/*
 * Plugins: loaded and unloaded with blocks alive, bound with RTLD_DEEPBIND, which hides the
 * preloaded malloc from them, and in a namespace of their own, where the memory of
 * two allocators grows side by side.
 */
#include "test.h"

#include "plugin.h"
#include "process.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

static const struct plugin *plugin_of(void *handle)
{
	const struct plugin *plugin;

	if (!handle)
		dprintf(2, "%s\n", dlerror());
	MUST(handle);
	plugin = dlsym(handle, "plugin");
	MUST(plugin);
	return plugin;
}

/* In RAM, without what is only kept for reuse. */
static size_t lasting_kib(void)
{
	malloc_trim(0);
	return resident_kib();
}

TEST(loaded_and_unloaded_a_thousand_times)
{
	struct block live[50] = {{NULL, 0}};
	size_t early = 0;

	for (int i = 0; i < 1000; i++) {
		void *handle = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
		const struct plugin *plugin = plugin_of(handle);
		struct block *b = &live[i % 50];

		if (b->mem)
			plugin->take(b->mem, b->nbytes);
		b->nbytes = (size_t)i * 17 + 1;
		b->mem = plugin->give(b->nbytes);
		if (i % 20 == 0)
			plugin->allocate_every_size();
		dlclose(handle);
		if (i == 100)
			early = lasting_kib();
	}
	for (int i = 0; i < 50; i++)
		block_free(live[i]);
	EXPECT(lasting_kib() < early + 1024);
}

/* Blocks of every size cross both ways, and are grown and freed on the other side. */
static void exchange(const struct plugin *plugin)
{
	for (int i = 0; i < EVERY_SIZE; i++) {
		size_t n = every_size[i];
		struct block theirs = {plugin->give(n), n}, grown = {plugin->give(n), n};
		struct block ours = block_new(n);
		char *text = plugin->duplicate("a string");

		EXPECT_STR(text, "a string");
		text = realloc(text, 5000);
		EXPECT_STR(text, "a string");
		free(text);
		EXPECT(malloc_usable_size(theirs.mem) >= n);
		block_free(theirs);
		block_free(block_grow(grown));
		plugin->take(block_new(n).mem, n);
		ours.mem = plugin->grow(ours.mem, n);
		ours.nbytes += n / 2;
		block_free(ours);
	}
}

static void *exchange_in_a_thread(void *plugin)
{
	for (int i = 0; i < 100; i++)
		exchange(plugin);
	return NULL;
}

static void exchange_with(int flags)
{
	void *handle = dlopen(PLUGIN, RTLD_NOW | flags);
	const struct plugin *plugin = plugin_of(handle);
	pthread_t threads[2];

	exchange(plugin);
	for (int t = 0; t < 2; t++)
		REQUIRE(pthread_create(&threads[t], NULL, exchange_in_a_thread, (void *)plugin) ==
			0);
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	dlclose(handle);
}

TEST(blocks_are_exchanged)
{
	exchange_with(RTLD_GLOBAL);
	exchange_with(RTLD_LOCAL);
}

TEST(blocks_are_exchanged_with_a_deeply_bound_plugin)
{
	exchange_with(RTLD_LOCAL | RTLD_DEEPBIND);
}

TEST(a_namespace_has_an_allocator_of_its_own)
{
	for (int i = 0; i < 30; i++) {
		void *handle = dlmopen(LM_ID_NEWLM, PLUGIN, RTLD_NOW | RTLD_LOCAL);
		const struct plugin *plugin = plugin_of(handle);
		struct block ours[100], theirs[100];

		for (int n = 0; n < 100; n++) {
			ours[n] = block_new((size_t)n * 701 + 1);
			theirs[n].nbytes = (size_t)n * 997 + 1;
			theirs[n].mem = plugin->give(theirs[n].nbytes);
		}
		for (int n = 0; n < 100; n++) {
			plugin->take(theirs[n].mem, theirs[n].nbytes);
			block_free(ours[n]);
		}
		plugin->allocate_every_size();
		allocate_every_size();
		dlclose(handle);
	}
}
