/* Handlers of SIGSEGV and SIGBUS; see signals.h. */
#include "os/signals.h"

#include "os/libc.h"

#include <errno.h>
#include <signal.h>

static bool (*ask)(const void *address);
static struct sigaction before_segv, before_bus;
static int (*set)(int, const struct sigaction *, struct sigaction *); /* libc's sigaction() */

/* The fault happens again after this, under what was there before: the program's handler, or a core
   file with the registers of the fault. */
static void handle(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	ask(info->si_addr);
	set(signal, signal == SIGSEGV ? &before_segv : &before_bus, NULL);
	errno = saved;
}

void signals_catch(bool (*explain)(const void *address))
{
	struct sigaction action = {.sa_sigaction = handle,
				   .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

	libc_find(&set, "sigaction");
	if (!set)
		return;
	ask = explain;
	set(SIGSEGV, &action, &before_segv);
	set(SIGBUS, &action, &before_bus);
}
