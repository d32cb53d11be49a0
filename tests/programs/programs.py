#!/usr/bin/python3
"""programs.py NAME: real program NAME, without $LOAM_SO and with it preloaded (see harness.py).

With KEEP=1 in the environment the directory of the last run stays, to repeat a failure in.
"""
import sys

import harness
import compilers  # noqa: F401  each import registers its programs
import languages  # noqa: F401
import servers    # noqa: F401
import tools      # noqa: F401

if len(sys.argv) != 2 or sys.argv[1] not in harness.PROGRAMS:
    sys.exit('usage: programs.py ' + '|'.join(sorted(harness.PROGRAMS)))
harness.main(sys.argv[1])
