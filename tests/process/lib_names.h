/* What the library of lib_names.c gives. */
#pragma once

/* Calls the six functions of libc's names; how many of the library's own were called, or -1 when a
   result is wrong. */
int lib_names_run(void);
