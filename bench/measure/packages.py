"""Debian packages: what is missing is installed, or named."""
import os
import shutil
import subprocess

from measure.failure import Failure


def version(package):
    """The installed version of a package, or '' if it is not installed."""
    if not shutil.which('dpkg-query'):
        return ''
    done = subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Abbrev}${Version}', package],
                          capture_output=True, text=True)
    state, _, number = done.stdout.partition(' ')
    return number.strip() if state == 'ii' else ''


def need(*names):
    """Installs those of the packages that are not; a Failure if it cannot."""
    missing = [name for name in names if not version(name)]
    if not missing:
        return
    command = ['apt-get', '-o', 'DPkg::Lock::Timeout=600', 'install', '-y',
               '--no-install-recommends', *missing]
    if not shutil.which('apt-get'):
        raise Failure(f'install what Debian calls {" ".join(missing)}')
    if os.geteuid() != 0:
        raise Failure(f'missing packages: sudo apt-get install {" ".join(missing)}')
    env = os.environ | {'DEBIAN_FRONTEND': 'noninteractive'}
    for line in (['apt-get', 'update'], command):
        done = subprocess.run(line, env=env, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ['it does not say why']
        raise Failure(f'apt-get could not install {" ".join(missing)}: {said[-1]}')
