/*
 * An exception is unwound frame by frame, and each frame's personality is asked
 * whether it ends there.  A frame in C has none, so call_guarded() is a frame
 * written by hand (catch.S of the processor) whose personality says yes, and
 * then, when all frames below are cleaned up, jumps out of the unwinding.
 */
#include "catch.h"
#include "runtime.h"

#include <unwind.h>

WEAK void *__cxa_begin_catch(void *exception);
WEAK void __cxa_end_catch(void);

/* f(arg), with catch_all as the personality. */
HIDDEN void call_guarded(void (*f)(void *arg), void *arg);
HIDDEN _Unwind_Reason_Code catch_all(int version, _Unwind_Action actions,
				     _Unwind_Exception_Class language,
				     struct _Unwind_Exception *exception,
				     struct _Unwind_Context *context);

/* Of __builtin_setjmp(), which is the compiler's: a program may have a longjmp() of its own. */
#define JUMP_WORDS 5

static __thread void **catcher; /* of the innermost call_and_catch() */

/* A forced unwinding, by which a thread is ended, goes on. */
_Unwind_Reason_Code catch_all(int version, _Unwind_Action actions, _Unwind_Exception_Class language,
			      struct _Unwind_Exception *exception, struct _Unwind_Context *context)
{
	(void)version;
	(void)language;
	(void)context;
	if (actions & _UA_FORCE_UNWIND)
		return _URC_CONTINUE_UNWIND;
	if (actions & _UA_SEARCH_PHASE)
		return _URC_HANDLER_FOUND;
	RUNTIME(__cxa_begin_catch)(exception);
	RUNTIME(__cxa_end_catch)();
	__builtin_longjmp(catcher, 1);
}

bool call_and_catch(void (*f)(void *arg), void *arg)
{
	void *here[JUMP_WORDS], **outer = catcher;
	volatile bool returned = false;

	if (!__builtin_setjmp(here)) {
		catcher = here;
		call_guarded(f, arg);
		returned = true;
	}
	catcher = outer;
	return returned;
}
