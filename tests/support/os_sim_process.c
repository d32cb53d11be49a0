/* The process for tests; see os_sim.h. */
#include "os/process.h"
#include "os/syscall.h"
#include "os_sim.h"
#include "unwind/backtrace.h"

#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct {
	void *const *frames;
	int count;
	bool unwinds;
	size_t space, data; /* limits of addresses */
} process = {.space = SIZE_MAX, .data = SIZE_MAX};

void os_sim_set_address_limits(size_t space, size_t data)
{
	process.space = space;
	process.data = data;
}

void os_sim_backtrace(void *const *frames, int count)
{
	process.frames = frames;
	process.count = count;
}

/* --- the contract of os/process.h ----------------------------------------------------------- */

uint64_t os_process(void)
{
	return (uint64_t)getpid();
}

bool os_is_initial_thread(void)
{
	return gettid() == getpid();
}

size_t os_most_resident(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss * KIB : 0;
}

bool os_address_limits(size_t *ret_space, size_t *ret_data)
{
	*ret_space = process.space;
	*ret_data = process.data;
	return !os_sim_refusals[OS_SIM_LIMITS];
}

bool os_sigaction(int signal, const struct sigaction *action, struct sigaction *ret_before)
{
	const size_t nbytes = 64 / 8; /* that the kernel writes of a set */

	if (os_sim_refusals[OS_SIM_HANDLERS] || sigaction(signal, action, ret_before) != 0)
		return false;
	if (ret_before)
		memset((char *)&ret_before->sa_mask + nbytes, 0, sizeof(sigset_t) - nbytes);
	return true;
}

int os_set_cancel_state(int state)
{
	int before = state;

	pthread_setcancelstate(state, &before);
	return before;
}

void os_send_signal(int signal, const siginfo_t *info)
{
	if (!info || syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, info) != 0)
		syscall(SYS_tgkill, getpid(), gettid(), signal);
}

static void *run(void *body)
{
	((void (*)(void))(uintptr_t)body)();
	return NULL;
}

bool os_thread(const char *name, void (*body)(void))
{
	sigset_t all, before;
	pthread_t thread;
	bool begun;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	begun = pthread_create(&thread, NULL, run, (void *)(uintptr_t)body) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!begun)
		return false;
	pthread_setname_np(thread, name);
	pthread_detach(thread);
	return true;
}

void os_sleep(uint64_t nanoseconds)
{
	struct timespec time = {(time_t)(nanoseconds / 1000000000),
				(long)(nanoseconds % 1000000000)};

	nanosleep(&time, NULL);
}

bool os_protect(void *mem, size_t nbytes)
{
	return mprotect(mem, nbytes, PROT_READ) == 0;
}

void os_protect_for_good(void *mem, size_t nbytes)
{
	(void)mem;
	(void)nbytes;
}

/* --- the contract of unwind/backtrace.h ------------------------------------------------------ */

void backtrace_start(void)
{
	void *frames[2];

	process.unwinds = true;
	backtrace(frames, 2);
}

void backtrace_start_inside(void)
{
	backtrace_start();
}

__thread unsigned backtrace_shut;

int backtrace_find(void **ret_frames, int most)
{
	int n = 0;

	if (!process.unwinds)
		return 0;
	if (!process.frames)
		return backtrace(ret_frames, most);
	for (; n < process.count && n < most; n++)
		ret_frames[n] = process.frames[n];
	return n;
}
