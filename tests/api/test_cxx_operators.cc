/*
 * The 22 operators of C++: they allocate and align, throw bad_alloc or give
 * nullptr when there is no memory, and ask the new_handler first.
 */
#include "names.h"

#include <malloc.h>
#include <initializer_list>
#include <new>
#include <sys/resource.h>

using std::align_val_t;
using std::nothrow;

/* Where a result goes that nobody needs: what is unused need not be called for. */
static void *volatile sink;

static constexpr size_t mib = size_t{1} << 20;

struct alignas(256) wide {
	char bytes[256];
};

TEST(expressions_allocate)
{
	for (int n = 1; n < 2000; n += 7) {
		int *one = new int(n);
		char *many = new char[size_t(n)];
		wide *aligned = new wide, *array = new wide[size_t(n % 20 + 1)];

		EXPECT_EQ(*one, n);
		memset(many, n, size_t(n));
		EXPECT(is_aligned(one, 16) && is_aligned(many, 16));
		EXPECT(is_aligned(aligned, 256) && is_aligned(array, 256));
		EXPECT(malloc_usable_size(many) >= size_t(n));
		delete one;
		delete[] many;
		delete aligned;
		delete[] array;
	}
}

/* The ten that allocate or free without an alignment, each called by its name. */
TEST(plain_operators_can_be_called)
{
	for (size_t i = 0; i < SIZES; i++) {
		size_t n = sizes[i];
		void
			*
				p[8] =
					{
						operator new(n),
						operator new[](n),
						operator new(n, nothrow),
						operator new[](n, nothrow),
						operator new(n),
						operator new[](n),
						operator new(n, nothrow),
						operator new[](n, nothrow),
					};

		for (void *object : p) {
			REQUIRE(address(object) != 0);
			EXPECT(is_aligned(object, 16));
			EXPECT(malloc_usable_size(object) >= n);
			static_cast<char *>(object)[n - 1] = 1;
		}
		operator delete(p[0]);
		operator delete[](p[1]);
		operator delete(p[2], nothrow);
		operator delete[](p[3], nothrow);
		operator delete(p[4], n);
		operator delete[](p[5], n);
		free(p[6]);
		operator delete[](realloc(p[7], n * 2));
	}
}

TEST(aligned_operators_align)
{
	for (size_t align = 1; align <= 4 * mib; align *= 2)
		for (size_t n : {size_t{1}, size_t{100}, size_t{5000}, size_t{200000}, 5 * mib}) {
			align_val_t a{align};
			void
				*p[6] =
					{
						operator new(n, a),
						operator new[](n, a),
						operator new(n, a, nothrow),
						operator new[](n, a, nothrow),
						operator new(n, a),
						operator new[](n, a),
					};

			for (void *object : p) {
				REQUIRE(address(object) != 0);
				EXPECT(is_aligned(object, align));
				EXPECT(malloc_usable_size(object) >= n);
				static_cast<char *>(object)[n - 1] = 1;
			}
			operator delete(p[0], a);
			operator delete[](p[1], a);
			operator delete(p[2], a, nothrow);
			operator delete[](p[3], a, nothrow);
			operator delete(p[4], n, a);
			operator delete[](p[5], n, a);
		}
}

TEST(nothing_asked_is_still_an_object)
{
	void *p = operator new(0), *q = operator new(0), *r = operator new[](0, nothrow);
	void *s = operator new (0, align_val_t{128});

	EXPECT(distinct(p, q) && distinct(q, r) && distinct(p, r) && address(s));
	operator delete (p, size_t{0});
	operator delete(q);
	operator delete[](r);
	operator delete (s, align_val_t{128});
}

TEST(deleting_nothing_is_allowed)
{
	errno = ERRNO_CANARY;
	operator delete(nullptr);
	operator delete[](nullptr);
	operator delete(nullptr, nothrow);
	operator delete[](nullptr, nothrow);
	operator delete (nullptr, size_t{8});
	operator delete[](nullptr, size_t{8});
	operator delete (nullptr, align_val_t{64});
	operator delete[](nullptr, align_val_t{64});
	operator delete (nullptr, size_t{64}, align_val_t{64});
	operator delete[](nullptr, size_t{64}, align_val_t{64});
	operator delete (nullptr, align_val_t{64}, nothrow);
	operator delete[](nullptr, align_val_t{64}, nothrow);
	EXPECT_EQ(errno, ERRNO_CANARY);
}

template <typename F> static bool throws_bad_alloc(F f)
{
	try {
		f();
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

TEST(an_impossible_size_throws)
{
	size_t n = too_large;
	align_val_t a{4096};

	EXPECT(throws_bad_alloc([=] { sink = operator new(n); }));
	EXPECT(throws_bad_alloc([=] { sink = operator new[](n); }));
	EXPECT(throws_bad_alloc([=] { sink = operator new(n, a); }));
	EXPECT(throws_bad_alloc([=] { sink = operator new[](n, a); }));
	EXPECT(throws_bad_alloc([=] { sink = operator new(n * 2 - 1); }));
	EXPECT_EQ(operator new(n, nothrow), nullptr);
	EXPECT_EQ(operator new[](n, nothrow), nullptr);
	EXPECT_EQ(operator new(n, a, nothrow), nullptr);
	EXPECT_EQ(operator new[](n, a, nothrow), nullptr);
}

static int handled;
static void *reserve;

static void count_and_give_up()
{
	if (++handled == 3)
		std::set_new_handler(nullptr);
}

/* Asked again and again while there is a handler. */
template <typename F> static void expect_handler(F f)
{
	handled = 0;
	std::set_new_handler(count_and_give_up);
	f();
	EXPECT_EQ(handled, 3);
	EXPECT(std::get_new_handler() == nullptr);
}

TEST(the_new_handler_is_asked)
{
	size_t n = too_large;
	align_val_t a{64};

	expect_handler([=] { EXPECT(throws_bad_alloc([=] { sink = operator new(n); })); });
	expect_handler([=] { EXPECT(throws_bad_alloc([=] { sink = operator new[](n); })); });
	expect_handler([=] { EXPECT(throws_bad_alloc([=] { sink = operator new(n, a); })); });
	expect_handler([=] { EXPECT(throws_bad_alloc([=] { sink = operator new[](n, a); })); });
	expect_handler([=] { EXPECT_EQ(operator new(n, nothrow), nullptr); });
	expect_handler([=] { EXPECT_EQ(operator new[](n, nothrow), nullptr); });
	expect_handler([=] { EXPECT_EQ(operator new(n, a, nothrow), nullptr); });
	expect_handler([=] { EXPECT_EQ(operator new[](n, a, nothrow), nullptr); });
}

struct refusal {
};

static void throw_refusal()
{
	throw refusal();
}

/* A handler may throw something of its own; nothrow operators swallow bad_alloc alone by
   contract, so it is tried with those that throw. */
TEST(what_the_handler_throws_arrives)
{
	bool caught = false;

	std::set_new_handler(throw_refusal);
	try {
		sink = operator new(too_large);
	} catch (const refusal &) {
		caught = true;
	}
	std::set_new_handler(nullptr);
	EXPECT(caught);
}

static void throw_bad_alloc()
{
	throw std::bad_alloc();
}

TEST(nothrow_catches_what_the_handler_throws)
{
	std::set_new_handler(throw_bad_alloc);
	EXPECT_EQ(operator new(too_large, nothrow), nullptr);
	EXPECT_EQ(operator new[](too_large, nothrow), nullptr);
	EXPECT_EQ(operator new (too_large, align_val_t{64}, nothrow), nullptr);
	EXPECT_EQ(operator new[](too_large, align_val_t{64}, nothrow), nullptr);
	std::set_new_handler(nullptr);
}

/* What is thrown behind a catch within belongs to the one around it. */
static void catch_then_throw()
{
	std::set_new_handler(throw_bad_alloc);
	EXPECT_EQ(operator new(too_large, nothrow), nullptr);
	handled++;
	throw std::bad_alloc();
}

TEST(nothrow_catches_behind_another_within_the_handler)
{
	handled = 0;
	std::set_new_handler(catch_then_throw);
	EXPECT_EQ(operator new(too_large, nothrow), nullptr);
	EXPECT_EQ(handled, 1);
	std::set_new_handler(nullptr);
}

static void free_the_reserve()
{
	handled++;
	operator delete(reserve);
	reserve = nullptr;
	std::set_new_handler(nullptr);
}

static size_t address_space()
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY);

	REQUIRE(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
	close(fd);
	return strtoul(text, nullptr, 10) * size_t(sysconf(_SC_PAGESIZE));
}

/* Under a limit on addresses, the handler makes room and the same request then succeeds. */
TEST(what_the_handler_frees_is_found)
{
	struct rlimit before, limit;
	void *p;

	if (test_emulated)
		test_skip("the emulator holds nobody to a limit");
	getrlimit(RLIMIT_AS, &before);
	for (size_t n : {100 * mib, 300 * mib}) {
		handled = 0;
		malloc_trim(0); // what the allocator keeps would serve without the handler
		reserve = operator new(400 * mib);
		limit = before;
		limit.rlim_cur = address_space() + 50 * mib;
		REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
		std::set_new_handler(free_the_reserve);
		p = operator new(n, nothrow);
		EXPECT(p != nullptr);
		EXPECT_EQ(handled, 1);
		operator delete(p);
		std::set_new_handler(nullptr);
		setrlimit(RLIMIT_AS, &before);
	}
}
