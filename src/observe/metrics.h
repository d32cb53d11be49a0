/*
 * The file of option `metrics`: all counters, as Prometheus's text format or OpenMetrics 1.0.
 *
 * It is written where a slow path is counted the 256th time, at most once in metrics_interval
 * seconds, by the thread that passes: into a file beside it, which then takes its name, so that a
 * reader finds the old one or the new one, whole; where the new one has no room, the old one stays.
 * That needs the system calls openat, fcntl, write, close, renameat and unlinkat, fstat before a
 * line is printed, readlinkat and newfstatat once, which a filter of system calls may forbid: so it
 * is done only where the option asks.
 */
#pragma once

#include "base/compiler.h"

/* Writes the file from now on. A line says when it cannot be written, and why. */
COLD void metrics_start(const char *path);

/* Writes it at once, for the end of the process. metrics_start() was called. */
COLD void metrics_finish(void);

/* In the child of a fork: no other thread writes. */
COLD void metrics_recover(void);
