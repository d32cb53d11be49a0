/* process.h on Linux. */
#include "os/libc.h"
#include "os/os.h"
#include "os/process.h"
#include "os/syscall.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define SYS_MSEAL 462 /* Linux 6.10 */

uint64_t os_process(void)
{
	return (uint64_t)syscall3(SYS_getpid, 0, 0, 0);
}

bool os_is_initial_thread(void)
{
	return (uint64_t)syscall3(SYS_gettid, 0, 0, 0) == os_process();
}

size_t os_most_resident(void)
{
	struct rusage usage = {.ru_maxrss = 0};

	syscall3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0);
	return (size_t)usage.ru_maxrss * KIB;
}

static bool read_limit(int which, size_t *ret_nbytes)
{
	struct rlimit limit;

	if (syscall_failed(syscall6(SYS_prlimit64, 0, which, 0, (long)&limit, 0, 0)))
		return false;
	*ret_nbytes = limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : limit.rlim_cur;
	return true;
}

bool os_address_limits(size_t *ret_space, size_t *ret_data)
{
	return read_limit(RLIMIT_AS, ret_space) && read_limit(RLIMIT_DATA, ret_data);
}

/* So many bytes of a set of signals are the kernel's.  libc copies the others from its stack, where
   pointers of the program may have been, and a search for leaks would follow them. */
#define SIGNALS_BYTES (64 / 8)

static void clear_unwritten(sigset_t *set)
{
	memset((char *)set + SIGNALS_BYTES, 0, sizeof *set - SIGNALS_BYTES);
}

bool os_sigaction(int signal, const struct sigaction *action, struct sigaction *ret_before)
{
	static int (*set)(int, const struct sigaction *, struct sigaction *); /* atomic */
	int (*by)(int, const struct sigaction *, struct sigaction *) = load_relaxed(&set);

	if (!by) {
		libc_find(&by, "sigaction");
		store_relaxed(&set, by);
	}
	if (!by || by(signal, action, ret_before) != 0)
		return false;
	if (ret_before)
		clear_unwritten(&ret_before->sa_mask);
	return true;
}

bool os_at_quick_exit(void (*call)(void *))
{
	int (*by)(void (*call)(void *), void *dso);

	libc_find(&by, "__cxa_at_quick_exit");
	return by && by(call, NULL) == 0;
}

void os_send_signal(int signal, const siginfo_t *info)
{
	long process = syscall3(SYS_getpid, 0, 0, 0), thread = syscall3(SYS_gettid, 0, 0, 0);

	if (!info || syscall_failed(syscall6(SYS_rt_tgsigqueueinfo, process, thread, signal,
					     (long)info, 0, 0)))
		syscall3(SYS_tgkill, process, thread, signal);
}

struct thread {
	const char *name;
	void (*body)(void);
};

static void *run(void *arg)
{
	const struct thread *thread = arg;

	syscall3(SYS_prctl, PR_SET_NAME, (long)thread->name, 0);
	thread->body();
	return NULL;
}

/* All signals but the two with which libc reaches every thread: where it sets the user of a process
   it waits for each. */
#define ALL_SIGNALS (~(3ULL << 31))

/* The kernel's set of signals is a word; a thread begins with those of who began it blocked. */
static void block_signals(const uint64_t *set, uint64_t *ret_before)
{
	syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)set, (long)ret_before, sizeof *set, 0, 0);
}

bool os_thread(const char *name, void (*body)(void))
{
	static struct thread thread;
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int (*detach)(pthread_t);
	uint64_t all = ALL_SIGNALS, before = 0;
	pthread_t id;
	bool begun;

	libc_find(&create, "pthread_create");
	libc_find(&detach, "pthread_detach");
	if (!create || !detach)
		return false;
	thread = (struct thread){name, body};
	block_signals(&all, &before);
	begun = create(&id, NULL, run, &thread) == 0;
	block_signals(&before, NULL);
	if (begun)
		detach(id);
	return begun;
}

int os_set_cancel_state(int state)
{
	int (*set)(int state, int *ret_before);
	int before = state;

	libc_find(&set, "pthread_setcancelstate");
	if (set)
		set(state, &before);
	return before;
}

void os_sleep(uint64_t nanoseconds)
{
	struct timespec time = {.tv_sec = (time_t)(nanoseconds / OS_SECOND),
				.tv_nsec = (long)(nanoseconds % OS_SECOND)};

	syscall6(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&time, 0, 0, 0);
}

bool os_protect(void *mem, size_t nbytes)
{
	return !syscall_failed(syscall3(SYS_mprotect, (long)mem, (long)nbytes, PROT_READ));
}

void os_protect_for_good(void *mem, size_t nbytes)
{
	syscall3(SYS_MSEAL, (long)mem, (long)nbytes, 0);
}
