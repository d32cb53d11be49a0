/* What differs between compilers and processors; beside src/os, the one home of #if. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NOINLINE      __attribute__((noinline))
#define COLD	      __attribute__((noinline, cold))
#define AT_START      __attribute__((noinline, section(".text.startup"))) /* see preload/cold.ld */
#define LATER	      __attribute__((noinline, section(".text.unlikely.later"))) /* the same */
#define ALIGNED(n)    __attribute__((aligned(n)))
#define PUBLIC	      __attribute__((visibility("default")))
#define PRINTF(f, a)  __attribute__((format(printf, f, a)))

/* For variables that several files use: without it the compiler would ask the dynamic linker
   where they are, and loam must know before it is relocated. */
#define HIDDEN __attribute__((visibility("hidden")))

/* For what is constant once the process has started: api/seal.h makes it read-only. */
#define SEALED	       __attribute__((section("loam_sealed")))
#define SEALED_OPTIONS __attribute__((section("loam_options")))

/* For readers of another thread's counts, which it changes without atomics because its fast path
   does: the figure may be a moment old.  ThreadSanitizer is told so. */
#define UNSYNCHRONIZED __attribute__((noinline, no_sanitize("thread")))

/* Keeps a value in a register, where the compiler would compute it again from its parts. */
#define IN_REGISTER(x) __asm__("" : "+r"(x))

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)

#define CACHE_LINE 64

/* Of words that other threads read or write too.  Relaxed: they publish nothing but themselves. */
#define load_relaxed(p)	    __atomic_load_n(p, __ATOMIC_RELAXED)
#define store_relaxed(p, v) __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define load_acquire(p)	    __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define add_relaxed(p, v)   __atomic_fetch_add(p, v, __ATOMIC_RELAXED)

/* The compiler makes the stores before this before those behind it; no instruction.  Enough for a
   signal handler of the same thread, and for the child of a fork: of each thread's stores it has
   all up to one. */
#define KEEP_ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Whether AddressSanitizer watches loam itself. */
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define IS_INSTRUMENTED true
#else
#define IS_INSTRUMENTED false
#endif

/*
 * What ThreadSanitizer cannot know by itself.  load_hot() and add_hot() are plain, so that the
 * compiler can make them part of another instruction, of words that others access atomically; a sum
 * may lose one that another thread adds just then.  acquire_hot(p) after load_hot(p) makes that
 * load an acquire, without an instruction on x86-64.  left_by() and found_at() order what a thread
 * did before its end before what the finder of what it left does, or before it unmapped addresses
 * before what is done with them once they are mapped anew.
 */
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define load_hot(p)    load_relaxed(p)
#define add_hot(p, v)  store_relaxed(p, load_relaxed(p) + (v))
#define left_by(p)     __tsan_release(p)
#define found_at(p)    __tsan_acquire(p)
#define acquire_hot(p) __tsan_acquire(p)
#else
#define load_hot(p)    (*(p))
#define add_hot(p, v)  (*(p) += (v))
#define left_by(p)     ((void)(p))
#define found_at(p)    ((void)(p))
#define acquire_hot(p) __atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

/* The running thread, as the address of its thread control block: no system call, never 0. */
static inline uintptr_t thread_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* The stack pointer of whatever function reads it. */
#if defined(__x86_64__)
register uintptr_t stack_pointer __asm__("rsp");
#else
register uintptr_t stack_pointer __asm__("sp");
#endif

/* Tells a spinning processor that it waits. */
static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}
