/* Handlers of SIGSEGV and SIGBUS; see signals.h. */
#include "os/signals.h"

#include "os/libc.h"
#include "os/syscall.h"

#include <errno.h>
#include <signal.h>

static bool (*ask)(const void *address);
static struct sigaction before_segv, before_bus;
static int (*set)(int, const struct sigaction *, struct sigaction *); /* libc's sigaction() */

static bool is_function(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* The signal ends the process: by the fault, which happens again when the handler returns, or by being
   sent again. */
static void act_by_default(int signal, siginfo_t *info, bool is_fault)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	long process = syscall3(SYS_getpid, 0, 0, 0), thread = syscall3(SYS_gettid, 0, 0, 0);

	set(signal, &standard, NULL);
	if (is_fault)
		return;
	if (!info || syscall_failed(syscall6(SYS_rt_tgsigqueueinfo, process, thread, signal, (long)info, 0, 0)))
		syscall3(SYS_tgkill, process, thread, signal);
}

static void call_previous(struct sigaction *previous, int signal, siginfo_t *info, void *context)
{
	struct sigaction action = *previous;

	if (action.sa_flags & (int)SA_RESETHAND)
		*previous = (struct sigaction){.sa_handler = SIG_DFL};
	if (action.sa_flags & SA_SIGINFO)
		action.sa_sigaction(signal, info, context);
	else
		action.sa_handler(signal);
}

/* Who installed a handler without SA_SIGINFO got no information to pass on, be it the program's handler
   that calls this one, or this one, put back by signal(). */
static void handle(int signal, siginfo_t *info, void *context)
{
	struct sigaction *previous = signal == SIGSEGV ? &before_segv : &before_bus, now;
	int saved = errno;
	bool is_informed, is_fault, is_in_place;

	set(signal, NULL, &now);
	is_informed = now.sa_flags & SA_SIGINFO;
	is_in_place = now.sa_sigaction == handle;
	is_fault = is_informed && info->si_code > 0;
	if (is_fault)
		ask(info->si_addr);
	if (is_function(previous))
		call_previous(previous, signal, info, context);
	else if (is_in_place && (is_fault || previous->sa_handler == SIG_DFL))
		act_by_default(signal, is_informed ? info : NULL, is_fault);
	errno = saved;
}

static void catch_signal(int signal, struct sigaction *ret_before)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	if (set(signal, NULL, ret_before) != 0)
		return;
	action.sa_mask = ret_before->sa_mask;
	action.sa_flags |= is_function(ret_before) ? ret_before->sa_flags & (SA_NODEFER | SA_RESTART)
						   : SA_NODEFER | SA_RESTART;
	set(signal, &action, NULL);
}

void signals_catch(bool (*explain)(const void *address))
{
	libc_find(&set, "sigaction");
	if (!set)
		return;
	ask = explain;
	catch_signal(SIGSEGV, &before_segv);
	catch_signal(SIGBUS, &before_bus);
}
