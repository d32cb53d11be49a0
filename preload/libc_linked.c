/*
 * For libloam.a: libc's functions under the names that it has for itself, for a static program,
 * where there is no table of libc's symbols (os/libc.h).  A program that defines such a function,
 * sbrk say, defines the plain name, and libc's stays there.
 */
#include "os/libc.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

unsigned long __getauxval(unsigned long type);
void *__sbrk(intptr_t nbytes);
int __backtrace(void **frames, int count);
int __cxa_at_quick_exit(void (*call)(void *), void *dso);
int __sigaction(int number, const struct sigaction *action, struct sigaction *before);

/* Not among the names that libc.so.6 has for everybody, where they are not used. */
int __pthread_mutex_trylock(pthread_mutex_t *mutex) __attribute__((weak));
int __pthread_mutex_unlock(pthread_mutex_t *mutex) __attribute__((weak));
int __pthread_mutex_consistent(pthread_mutex_t *mutex) __attribute__((weak));
pthread_t __pthread_self(void) __attribute__((weak));

/* Of programs whose unwinder asks it: a static one without has no stacks in a profile that begins
   while it runs. */
int _dl_find_object(void *code, void *ret_found) __attribute__((weak));

/* Of programs that have threads: loam begins none in others. */
int __pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*body)(void *),
		     void *arg) __attribute__((weak));
int __pthread_detach(pthread_t id) __attribute__((weak));
int __pthread_setcancelstate(int state, int *ret_before) __attribute__((weak));

/* A weak name alone does not make the linker take the object from libc.a that has it. */
__attribute__((used)) static int (*const wanted[])(pthread_mutex_t *) = {
	pthread_mutex_trylock, pthread_mutex_unlock, pthread_mutex_consistent};
__attribute__((used)) static pthread_t (*const wanted_self)(void) = pthread_self;
__attribute__((used)) static int (*const wanted_cancel)(int, int *) = pthread_setcancelstate;

#define LINKED(plain, own)                                                                         \
	{                                                                                          \
		.name = plain, .function = (void (*)(void))(own)                                   \
	}

const struct libc_function libc_linked[] = {
	LINKED("getauxval", __getauxval),
	LINKED("sbrk", __sbrk),
	LINKED("backtrace", __backtrace),
	LINKED("_dl_find_object", _dl_find_object),
	LINKED("sigaction", __sigaction),
	LINKED("__cxa_at_quick_exit", __cxa_at_quick_exit),
	LINKED("pthread_mutex_trylock", __pthread_mutex_trylock),
	LINKED("pthread_mutex_unlock", __pthread_mutex_unlock),
	LINKED("pthread_mutex_consistent", __pthread_mutex_consistent),
	LINKED("pthread_self", __pthread_self),
	LINKED("pthread_create", __pthread_create),
	LINKED("pthread_detach", __pthread_detach),
	LINKED("pthread_setcancelstate", __pthread_setcancelstate),
	{.name = NULL},
};
