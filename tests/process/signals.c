/* Ways in which SIGSEGV and SIGBUS come and are handled, for signals.py: each is one run of this
   program, which prints what happened and ends as the signal lets it. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAULTS = 5, ALLOCATIONS = 250000 };

static sigjmp_buf back;
static volatile int hits;
static struct sigaction old;
static void (*old_handler)(int);
static char *volatile nowhere = (char *)8;

static void survive(void)
{
	puts("survived");
}

static void fault(void)
{
	*nowhere = 1;
}

/* The next object that is sampled: its usable size is what was asked for.  Without loam it is any.
 */
static char *sampled_object(void)
{
	for (int i = 0; i < ALLOCATIONS; i++) {
		char *mem = malloc(37);

		if (malloc_usable_size(mem) == 37)
			return mem;
		free(mem);
	}
	return calloc(1, 37);
}

/* --- sent, not faulted -------------------------------------------------------------------- */

static void raise_segv(void)
{
	raise(SIGSEGV);
}

static void raise_bus(void)
{
	raise(SIGBUS);
}

static void kill_itself(void)
{
	kill(getpid(), SIGSEGV);
}

static void queue_to_itself(void)
{
	sigqueue(getpid(), SIGBUS, (union sigval){.sival_int = 7});
}

static void killed_by_another(void)
{
	pid_t parent = getpid();

	if (fork() == 0) {
		kill(parent, SIGSEGV);
		_exit(0);
	}
	sleep(5);
}

static void *send_in_thread(void *unused)
{
	pthread_kill(pthread_self(), SIGSEGV);
	return unused;
}

static void sent_to_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, send_in_thread, NULL);
	pthread_join(thread, NULL);
}

static void raise_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGSEGV);
	puts("blocked");
	fflush(stdout);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void raise_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	signal(SIGBUS, SIG_IGN);
	raise(SIGSEGV);
	raise(SIGBUS);
}

static void fault_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	fault();
}

/* --- faults --------------------------------------------------------------------------------- */

static void fault_at_no_address(void)
{
	*(volatile char *)0x4141414141414141 = 1;
}

static void fault_behind_a_file(void)
{
	FILE *file = tmpfile();
	volatile char *mem = mmap((void *)0x200000000, 4096, PROT_READ,
				  MAP_SHARED | MAP_FIXED_NOREPLACE, fileno(file), 0);

	(void)*mem;
}

static void *fault_in_thread(void *unused)
{
	fault();
	return unused;
}

static void fault_of_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fault_in_thread, NULL);
	pthread_join(thread, NULL);
}

static void fault_of_a_child(void)
{
	int status;

	if (fork() == 0)
		fault();
	wait(&status);
	printf("signal %d\n", WTERMSIG(status));
}

static int grow(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = *above;
	return grow(frame) + frame[0];
}

static void overflow_the_stack(void)
{
	grow(&(volatile char){0});
}

/* --- handlers of the program's -------------------------------------------------------------- */

static void count_and_jump(int signal)
{
	(void)signal;
	hits++;
	siglongjmp(back, 1);
}

static void chain_and_jump(int signal, siginfo_t *info, void *context)
{
	hits++;
	if (old.sa_flags & SA_SIGINFO)
		old.sa_sigaction(signal, info, context);
	siglongjmp(back, 1);
}

static void chain_and_return(int signal_, siginfo_t *info, void *context)
{
	if (++hits > FAULTS)
		_exit(9);
	if (old.sa_flags & SA_SIGINFO)
		old.sa_sigaction(signal_, info, context);
	else
		signal(signal_, SIG_DFL);
}

static void chain_by_number(int number)
{
	if (++hits > FAULTS)
		_exit(9);
	signal(number, old_handler);
	if (old_handler != SIG_DFL)
		old_handler(number);
}

/* Passes on what is no siginfo_t of this signal. */
static void chain_with_others_words(int number)
{
	static siginfo_t info = {.si_code = SEGV_MAPERR};
	static long context[1024];

	if (++hits > FAULTS)
		_exit(9);
	if (old.sa_handler == SIG_DFL)
		signal(number, SIG_DFL);
	else
		old.sa_sigaction(number, &info, context);
}

/* What a handler finds: its mask, where its stack is, why it came. */
static void look_and_jump(int signal, siginfo_t *info, void *context)
{
	sigset_t now;
	stack_t stack;

	(void)context;
	sigprocmask(SIG_SETMASK, NULL, &now);
	sigaltstack(NULL, &stack);
	printf("signal %d, code %d, at %p; blocked: SEGV %d, USR1 %d, USR2 %d; on a stack of its "
	       "own: %d\n",
	       signal, info->si_code, info->si_code > 0 ? info->si_addr : NULL,
	       sigismember(&now, SIGSEGV), sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2),
	       stack.ss_flags == SS_ONSTACK);
	count_and_jump(signal);
}

static void handle(void (*handler)(int, siginfo_t *, void *), int flags)
{
	static char stack[1 << 16];
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, &old);
	sigaction(SIGBUS, &action, NULL);
}

static void fault_often(void)
{
	for (volatile int i = 0; i < FAULTS; i++)
		if (!sigsetjmp(back, 1))
			fault();
	printf("the handler ran %d times\n", hits);
}

static void handler_jumps(void)
{
	signal(SIGSEGV, count_and_jump);
	fault_often();
}

static void handler_chains_and_jumps(void)
{
	handle(chain_and_jump, 0);
	fault_often();
}

static void handler_chains_and_returns(void)
{
	handle(chain_and_return, SA_NODEFER);
	fault();
}

static void handler_chains_sent(void)
{
	handle(chain_and_return, 0);
	raise(SIGSEGV);
	raise(SIGSEGV);
}

static void handler_chains_by_number(void)
{
	old_handler = signal(SIGSEGV, chain_by_number);
	fault();
}

static void handler_chains_with_others_words(void)
{
	struct sigaction action = {.sa_handler = chain_with_others_words, .sa_flags = SA_NODEFER};

	sigaction(SIGSEGV, &action, &old);
	fault();
}

/* One that was there before the first object was sampled. */
static void handler_from_before(void)
{
	handle(look_and_jump, SA_ONSTACK);
	free(sampled_object());
	fault_often();
	if (!sigsetjmp(back, 1))
		raise(SIGSEGV);
	if (!sigsetjmp(back, 1))
		fault_behind_a_file();
}

static void handler_from_before_overflows(void)
{
	handle(look_and_jump, SA_ONSTACK | SA_NODEFER);
	free(sampled_object());
	if (!sigsetjmp(back, 1))
		fault();
	signal(SIGSEGV, SIG_DFL);
	overflow_the_stack();
}

static void handler_for_once(void)
{
	struct sigaction action = {.sa_handler = count_and_jump, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGSEGV, &action, NULL);
	free(sampled_object());
	fault_often();
}

static void use_after_free_with_a_handler(void)
{
	char *mem;

	handle(chain_and_jump, 0);
	mem = sampled_object();
	free(mem);
	if (!sigsetjmp(back, 1))
		*(volatile char *)mem = 1;
	puts("went on");
}

static void there_and_back(void (*then)(void))
{
	signal(SIGSEGV, signal(SIGSEGV, SIG_DFL));
	then();
}

static void there_and_back_sent(void)
{
	there_and_back(raise_segv);
}

static void there_and_back_faulted(void)
{
	there_and_back(fault);
}

static void ask(void)
{
	struct sigaction segv, bus;

	sigaction(SIGSEGV, NULL, &segv);
	sigaction(SIGBUS, NULL, &bus);
	puts(segv.sa_handler == SIG_DFL && bus.sa_handler == SIG_DFL ? "default" : "a handler");
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	CASE(raise_segv),
	CASE(raise_bus),
	CASE(kill_itself),
	CASE(queue_to_itself),
	CASE(killed_by_another),
	CASE(sent_to_a_thread),
	CASE(raise_blocked),
	CASE(raise_ignored),
	CASE(fault_ignored),
	CASE(fault),
	CASE(fault_at_no_address),
	CASE(fault_behind_a_file),
	CASE(fault_of_a_thread),
	CASE(fault_of_a_child),
	CASE(overflow_the_stack),
	CASE(handler_jumps),
	CASE(handler_chains_and_jumps),
	CASE(handler_chains_and_returns),
	CASE(handler_chains_sent),
	CASE(handler_chains_by_number),
	CASE(handler_chains_with_others_words),
	CASE(handler_from_before),
	CASE(handler_from_before_overflows),
	CASE(handler_for_once),
	CASE(there_and_back_sent),
	CASE(there_and_back_faulted),
	CASE(ask),
	CASE(use_after_free_with_a_handler),
};

/* signals CASE runs it, signals ignoring CASE as a process that was started with both signals
   ignored; signals alone lists the cases. */
int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	free(malloc(100));
	if (argc == 3) {
		signal(SIGSEGV, SIG_IGN);
		signal(SIGBUS, SIG_IGN);
		execl("/proc/self/exe", argv[0], argv[2], (char *)NULL);
		return 3;
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (argc == 1) {
			puts(cases[i].name);
		} else if (strcmp(argv[1], cases[i].name) == 0) {
			cases[i].run();
			survive();
			return 0;
		}
	return argc == 1 ? 0 : 2;
}
