#!/usr/bin/python3
"""Fuzzes the targets of this folder, and keeps what reaches new code.

usage: fuzz.py [--seconds N] [--afl] [TARGET...]

Builds them with clang, libFuzzer and AddressSanitizer (or AFL++), runs each for N seconds (600), one a
processor, from tests/fuzz/corpus, and merges what it found into that: the fewest inputs that reach all that was
reached, or some of them.  What breaks a target is left in build/fuzz, and its name printed.
"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORPUS = HERE / 'corpus'
TARGETS = ('interface', 'pagemap', 'zone', 'slab', 'bins', 'options', 'trace', 'corruption')
MOST_FILES = 100    # of a target in the tree


def build(afl):
    folder = ROOT / 'build' / ('fuzz-afl' if afl else 'fuzz')
    env = {**os.environ, 'CC': 'afl-clang-fast' if afl else 'clang', 'CXX': 'clang++'}
    if not folder.exists():
        subprocess.run(['meson', 'setup', folder, '-Dbuildtype=debugoptimized', '-Dassert_level=1',
                        '-Dfuzz=' + ('afl' if afl else 'libfuzzer'), '-Db_lundef=false',
                        '-Db_sanitize=address'], cwd=ROOT, env=env, check=True)
    subprocess.run(['ninja', '-C', folder, *(f'tests/fuzz/fuzz-{name}' for name in TARGETS)], check=True)
    return folder


def with_libfuzzer(folder, name, seconds):
    """Fuzzes one target; its words at the end, and whether it held."""
    work = folder / 'work' / name
    work.mkdir(parents=True, exist_ok=True)
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    program = folder / 'tests/fuzz' / f'fuzz-{name}'
    done = subprocess.run([program, f'-max_total_time={seconds}', '-max_len=4096', '-rss_limit_mb=4096',
                           f'-artifact_prefix={folder}/{name}-', '-print_final_stats=1', '-timeout=60',
                           '-close_fd_mask=2', '-use_value_profile=1',
                           work, CORPUS / name],
                          cwd=folder, capture_output=True, text=True, errors='replace')
    if done.returncode == 0:
        merged = empty_folder(work.with_name(name + '-merged'))
        subprocess.run([program, '-merge=1', '-max_len=4096', merged, work, CORPUS / name],
                       capture_output=True, check=True)
        keep(merged, name)
    return done.stderr[-3000:], done.returncode == 0


def empty_folder(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def keep(merged, name):
    """What was merged, as the corpus; of too many inputs some of all sizes."""
    files = sorted(merged.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    if len(files) > MOST_FILES:
        files = [files[i * (len(files) - 1) // (MOST_FILES - 1)] for i in range(MOST_FILES)]
    empty_folder(CORPUS / name)
    for file in files:
        shutil.copy(file, CORPUS / name / hashlib.sha1(file.read_bytes()).hexdigest()[:12])


def with_afl(folder, name, seconds):
    output = folder / 'work' / name
    output.parent.mkdir(exist_ok=True)
    program = folder / 'tests/fuzz' / f'fuzz-{name}'
    env = {**os.environ, 'AFL_NO_UI': '1', 'AFL_SKIP_CPUFREQ': '1', 'AFL_ALLOW_TMP': '1',
           'AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES': '1'}
    done = subprocess.run(['afl-fuzz', '-i', CORPUS / name, '-o', output, '-V', str(seconds), '-m', 'none',
                           '--', program], capture_output=True, text=True, errors='replace', env=env)
    crashes = list(output.glob('default/crashes/id*'))
    held = not crashes and not done.returncode
    if held:
        merged = output.with_name(name + '-merged')
        shutil.rmtree(merged, ignore_errors=True)
        subprocess.run(['afl-cmin', '-i', output / 'default/queue', '-o', merged, '-m', 'none', '--', program],
                       capture_output=True, check=True, env=env)
        keep(merged, name)
    return done.stdout[-1500:] + ''.join(f'\n{crash}' for crash in crashes), held


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seconds', type=int, default=600)
    parser.add_argument('--afl', action='store_true')
    parser.add_argument('targets', nargs='*', default=TARGETS)
    arguments = parser.parse_args()
    folder = build(arguments.afl)
    fuzz = with_afl if arguments.afl else with_libfuzzer
    held = True
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {name: pool.submit(fuzz, folder, name, arguments.seconds) for name in arguments.targets}
        for name, run in runs.items():
            text, ok = run.result()
            held &= ok
            print(f'== {name}: {"held" if ok else "BROKE"}\n{text}')
    return 0 if held else 1


if __name__ == '__main__':
    sys.exit(main())
