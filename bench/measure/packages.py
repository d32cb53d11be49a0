"""Debian packages: what is missing is installed, or named."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from measure.failure import Failure

BENCH = pathlib.Path(__file__).resolve().parents[1]
# The functions of apt.sh, which lies beside this package where loam is installed.
APT = next((path for path in (BENCH / 'apt.sh', BENCH.parent / 'preload/apt.sh') if path.exists()),
           None)


class Missing(Failure):
    """Packages that are needed, and cannot be installed here."""


def version(package):
    """The installed version of a package, or '' if it is not installed."""
    if not shutil.which('dpkg-query'):
        return ''
    done = subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Abbrev}${Version}', package],
                          capture_output=True, text=True)
    state, _, number = done.stdout.partition(' ')
    return number.strip() if state == 'ii' else ''


def can_install():
    return bool(shutil.which('apt-get')) and os.geteuid() == 0


def need(*names):
    """Installs those of the packages that are not; Missing if it cannot."""
    missing = [name for name in names if not version(name)]
    if not missing:
        return
    if not shutil.which('apt-get'):
        raise Missing(f'install what Debian calls {" ".join(missing)}')
    if os.geteuid() != 0:
        raise Missing(f'missing packages: sudo apt-get install {" ".join(missing)}')
    with tempfile.NamedTemporaryFile('r', errors='replace') as log:
        done = subprocess.run(['bash', '-c', '. "$0" && apt_install "$@"', APT, log.name, *missing])
        said = log.read().strip().splitlines() or ['it does not say why']
    if done.returncode:
        raise Missing(f'apt-get could not install {" ".join(missing)}: {said[-1]}')
