/* What is done for other processes, a function a kind; see requests.h and cache/requests.h. */
#include "api/requests.h"

#include "api/options.h"
#include "base/text.h"
#include "cache/requests.h"
#include "cache/trim.h"
#include "observe/watch.h"
#include "os/os.h"

static bool trim(struct cache *c, struct request *r)
{
	bool any;

	r->result = trim_all(c, r->given, &any);
	return true;
}

/* The text is copied first: others may write to it. */
static bool set(struct cache *c, struct request *r)
{
	char setting[REQUEST_TEXT];
	struct text said = {.buffer = r->text, .capacity = REQUEST_TEXT - 1};
	bool done;

	(void)c;
	for (size_t i = 0; i < REQUEST_TEXT; i++)
		setting[i] = load_relaxed(&r->text[i]);
	setting[REQUEST_TEXT - 1] = '\0';
	done = options_set(setting, &said);
	r->text[said.length] = '\0';
	return done;
}

static bool answer(struct cache *c, enum request_kind kind, struct request *r)
{
	switch (kind) {
#define REQUEST(name)                                                                              \
	case REQUEST_##name:                                                                       \
		return name(c, r);
		REQUESTS(REQUEST)
#undef REQUEST
	default:
		return false;
	}
}

static void serve(struct cache *c)
{
	if (__atomic_exchange_n(&requests.busy, true, __ATOMIC_ACQUIRE))
		return;
	for (unsigned i = 0; i < REQUEST_KINDS; i++) {
		struct request *r = &requests.of[i];
		uint8_t asked = load_acquire(&r->asked);

		if (asked == r->answered)
			continue;
		r->failed = !answer(c, i, r);
		store_release(&r->answered, asked);
	}
	if (!load_relaxed(&fast_limit))
		watch_open();
	store_release(&requests.busy, false);
}

void requests_start(void)
{
	if (os_secure())
		requests.refused = true;
	else
		requests_serve = serve;
}
