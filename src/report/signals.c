/*
 * Handlers of SIGSEGV and SIGBUS; see signals.h.
 *
 * The kernel says what it had in a siginfo_t, and the program cannot tell that there was a handler
 * between:
 *
 *	in place, before it was the default	the default is put back, and as the handler
 *						returns the fault happens again, or the same
 *						signal comes
 *	in place, before it was a handler	that is called, under its own flags and mask
 *	called by the program's handler,	for a fault: if the program's handler returns,
 *	before it was the default		the next fault is fatal; if it jumps out,
 *						nothing has changed
 *
 * Whoever calls a handler that signal() has returned gives it the number alone, and so does the
 * kernel after signal() has put it back: then there is no siginfo_t to read.
 */
#include "report/signals.h"

#include "os/check.h"
#include "os/os.h"
#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <ucontext.h>

static bool (*ask)(const void *address);
static struct sigaction before_segv, before_bus;

/* A signal that came, and what is known of it. */
struct arrival {
	int signal;
	const siginfo_t *info; /* NULL: there is none */
	ucontext_t *context;   /* the same */
	bool in_place;	       /* the handler that is installed is ours */
};

static void handle(int signal, siginfo_t *info, void *context);

static struct sigaction *before(int signal)
{
	ASSERT(signal == SIGSEGV || signal == SIGBUS);
	return signal == SIGSEGV ? &before_segv : &before_bus;
}

static bool is_handler(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static bool is_ours(const struct sigaction *action)
{
	return action->sa_sigaction == handle;
}

/* Whether what the program's handler passed on is what the kernel gave it: it may have passed on
   nothing, and then these are whatever stood in registers. */
static bool is_passed_on(int signal, const siginfo_t *info, const ucontext_t *context)
{
	return os_is_writable(info) && os_is_writable(info + 1) && info->si_signo == signal &&
	       os_is_writable(&context->uc_sigmask);
}

static struct arrival look_at(int signal, siginfo_t *info, void *context)
{
	struct arrival a = {.signal = signal};
	struct sigaction now = {.sa_handler = SIG_DFL};
	bool known;

	ASSERT(ask); /* it is there before the handler */
	os_sigaction(signal, NULL, &now);
	a.in_place = is_ours(&now);
	known = is_ours(&now) ? (now.sa_flags & SA_SIGINFO) != 0
			      : is_passed_on(signal, info, context);
	if (known) {
		a.info = info;
		a.context = context;
	}
	return a;
}

/* Whether an instruction did it, which does it again when it is returned to. */
static bool is_fault(const struct arrival *a)
{
	return a->info && a->info->si_code > SI_USER &&
	       !(a->signal == SIGBUS && a->info->si_code == BUS_MCEERR_AO);
}

static void act_by_default(const struct arrival *a)
{
	if (!a->in_place && is_fault(a)) {
		/* A fault whose signal is blocked ends the process. */
		*(unsigned long *)&a->context->uc_sigmask |= 1ul << (a->signal - 1);
		return;
	}
	os_sigaction(a->signal, before(a->signal), NULL);
	if (!is_fault(a)) /* blocked here, it comes when the handler has returned */
		os_send_signal(a->signal, a->info);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	int saved = errno;
	struct arrival a = look_at(signal, info, context);

	if (is_fault(&a))
		ask(info->si_addr);
	errno = saved;
	if (is_handler(before(signal)))
		before(signal)->sa_sigaction(signal, info, context);
	else
		act_by_default(&a);
	errno = saved;
}

/* What is ignored stays so: programs that are started inherit it. */
static void take(int signal)
{
	struct sigaction action, *old = before(signal);

	if (!os_sigaction(signal, NULL, old) || old->sa_handler == SIG_IGN)
		return;
	action = *old;
	if (!is_handler(old))
		action.sa_flags = SA_ONSTACK;
	action.sa_flags |= SA_SIGINFO;
	action.sa_sigaction = handle;
	os_sigaction(signal, &action, old);
}

void signals_catch(bool (*explain)(const void *address))
{
	int saved = errno;

	ask = explain;
	take(SIGSEGV);
	take(SIGBUS);
	errno = saved;
}
