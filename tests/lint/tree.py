"""The files of the source tree, as git has them or would take them: what it ignores is left out."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77


def listed(*patterns, root=ROOT):
    """Names from the root.  Where git does not say, as in an archive of the source, the test is skipped."""
    try:
        done = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', *patterns],
                              cwd=root, capture_output=True, text=True)
        reason = done.stderr.strip().split('\n')[0] if done.returncode else ''
    except FileNotFoundError:
        reason = 'there is no git'
    if reason:
        print(f'    skipped: git does not list the files: {reason}')
        sys.exit(SKIPPED)
    return [name for name in done.stdout.split('\0') if name and (root / name).is_file()]
