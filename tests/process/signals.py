"""SIGSEGV and SIGBUS with option guard, which has a handler for both: sent or faulted, handled or not, a program
prints the same and ends the same as without loam.

usage: signals.py SIGNALS
"""
import os
import resource
import subprocess
import sys

# Each allocation is sampled, the first of them before main; one of the first; only some after the case began.
RATES = (1, 50, 100000)
# The handler of the first sampled object is there to be seen.
SEEN = {('ask', 1), ('ask', 50)}
EXPLAINED = ('use_after_free_with_a_handler', 100000)


def run(command, **env):
    done = subprocess.run(command, env={'PATH': os.environ['PATH'], **env}, capture_output=True, text=True,
                          timeout=240, errors='replace')
    return done.returncode, done.stdout, done.stderr


def on_loam(command, rate):
    return run(command, LD_PRELOAD=os.environ['LOAM_SO'], LOAM_OPTIONS=f'guard={rate}')


def main(signals):
    failed = 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cases = run([signals])[1].split()
    commands = [[signals, case] for case in cases]
    commands += [[signals, 'ignoring', case] for case in ('raise_segv', 'raise_bus', 'fault', 'fault_of_a_child')]
    for command in commands:
        plain = run(command)
        for rate in RATES:
            case = command[-1]
            if (case, rate) in SEEN or case == EXPLAINED[0]:
                continue
            status, output, said = on_loam(command, rate)
            if (status, output) != plain[:2] or 'loam: ' in said:
                failed += 1
                print(f'{" ".join(command[1:])} with guard={rate}: {status} {output!r} instead of {plain[0]} '
                      f'{plain[1]!r}\n{said}')
    case, rate = EXPLAINED
    status, output, said = on_loam([signals, case], rate)
    if (status, output) != (0, 'went on\nsurvived\n') or said.count('loam: use after free: 0x') != 1:
        failed += 1
        print(f'{case}: {status} {output!r}\n{said}')
    print(f'{len(commands)} cases, {failed} wrong')
    return failed > 0 or not cases


sys.exit(main(*sys.argv[1:]))
