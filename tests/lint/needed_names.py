#!/usr/bin/env python3
"""needed_names.py LIBLOAM_SO LIBLOAM_A: what the built libraries take from others, by name.

A program may define any name, and a preload may wrap it and allocate in it.  So loam calls libc's own
functions, which src/os/libc.c finds, and each name that is left has its reason here.
"""
import subprocess
import sys

WITHOUT_CALLS = 'data of the dynamic linker or libc, under names that are reserved to them'
LINKER = "the linker's, the compiler's, or of the start files of each library"
RUNTIME = ('weak: the C++ runtime of the process, whoever it is; called when memory runs out, with no lock '
           'held, because bad_alloc must be the one that the program catches')
TOOL = 'weak: a sanitizer, where the program has it'
COMPILER = ('compilers call them wherever they like, also while something is half changed, so who replaces '
            'them keeps their meaning; POSIX lets signal handlers call them, so they do not allocate')
ERRNO = 'how errno is reached, the same for all; the name is reserved'
STREAM = 'malloc_info and malloc_stats write to a stream of the program, which calls them; no lock is held'
FORK = 'pthread_atfork() calls it; once, in a constructor; the name is reserved'
STATIC = "libc's names for itself, used in a static program, where libc's symbols cannot be looked up"
WANTED = 'never called: makes the linker take what has the name above from libc.a'

BOTH = {
    '_r_debug __libc_stack_end __environ __libc_single_threaded': WITHOUT_CALLS,
    '_ZNSt9bad_allocD1Ev _ZSt15get_new_handlerv _ZTISt9bad_alloc _ZTVSt9bad_alloc __cxa_allocate_exception '
    '__cxa_begin_catch __cxa_end_catch __cxa_throw': RUNTIME,
    '__asan_get_shadow_mapping __asan_poison_memory_region __asan_unpoison_memory_region': TOOL,
    'memcpy memmove memset': COMPILER,
    '__errno_location': ERRNO,
    'fprintf fputs fwrite stderr': STREAM,  # fwrite: by the compiler, for fputs
    '__register_atfork': FORK,
}
SHARED = {
    '_ITM_deregisterTMCloneTable _ITM_registerTMCloneTable __cxa_finalize __gmon_start__': LINKER,
    'environ _environ': WITHOUT_CALLS,  # other names of __environ
}
ARCHIVE = {
    '__interceptor_free __interceptor_malloc_usable_size __interceptor_realloc': TOOL,
    '_DYNAMIC _GLOBAL_OFFSET_TABLE_ __dso_handle __start_loam_text __stop_loam_text': LINKER,
    '__backtrace __cxa_at_quick_exit __getauxval __sbrk __sigaction __pthread_mutex_consistent __pthread_mutex_trylock '
    '__pthread_mutex_unlock __pthread_self __pthread_create __pthread_detach __pthread_setcancelstate _dl_find_object': STATIC,
    'pthread_mutex_consistent pthread_mutex_trylock pthread_mutex_unlock pthread_self pthread_setcancelstate': WANTED,
}


def needed(*command):
    lines = subprocess.run(['nm', *command], check=True, capture_output=True, text=True).stdout.splitlines()
    return {words[-1].split('@')[0] for words in map(str.split, lines) if len(words) >= 2}


def disagreements(library, names, *tables):
    argued = {name for table in tables for row in table for name in row.split()}
    for name in sorted(names - argued):
        yield f'{library} needs {name}: who may replace it, and does it matter?'


def main(shared, archive):
    wrong = [*disagreements(shared, needed('--dynamic', '--undefined-only', shared), BOTH, SHARED),
             *disagreements(archive, needed('--undefined-only', archive), BOTH, ARCHIVE)]
    print('\n'.join(wrong))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
