/* What is done for other processes, a function a kind; see requests.h and cache/requests.h. */
#include "api/requests.h"

#include "api/options.h"
#include "base/text.h"
#include "cache/requests.h"
#include "cache/trim.h"
#include "observe/profile.h"
#include "observe/watch.h"
#include "os/os.h"
#include "unwind/backtrace.h"

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

static bool begin_profile(uint64_t rate, struct text *said)
{
	if (load_relaxed(&profiling)) {
		text_put(said, "prof: a profile is being made: stop it first");
		return false;
	}
	backtrace_start_inside();
	if (!profile_start(rate)) {
		text_put(said, "prof: no memory for the table of a profile");
		return false;
	}
	return true;
}

static bool end_profile(uint64_t *ret_samples, struct text *said)
{
	if (!load_relaxed(&profiling)) {
		text_put(said, "prof: no profile is being made: start one first");
		return false;
	}
	*ret_samples = profile_stop();
	return true;
}

/* A rate beyond what option prof takes is none that `loam prof` asks for. */
static bool profile(struct cache *c, struct request *r)
{
	struct text said = {.buffer = r->text, .capacity = REQUEST_TEXT - 1};
	uint64_t rate = load_relaxed(&r->given), taken = 0;
	bool done;

	(void)c;
	rate = rate < PROFILE_RATE_MOST ? rate : PROFILE_RATE_MOST;
	done = rate ? begin_profile(rate, &said) : end_profile(&taken, &said);
	r->text[said.length] = '\0';
	r->result = taken;
	watch_open();
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
