"""What is measured: a workload prepares its input once, and is then run under an allocator."""
from dataclasses import dataclass
from typing import Callable

from measure import run


@dataclass
class Workload:
    """Base of all workloads: servers and the like override measure()."""
    name: str
    why: str            # one line: what it stands for, and who cares
    source: str         # who described it first, or where the program comes from

    figures = ()        # of figures.Figure: what its own report is about, where it has one
    group = ''          # the set it belongs to, where a report of several has a mean for each

    def prepare(self, dir):
        """Makes the input in dir, a folder of this workload's own; called once."""

    def measure(self, allocator, dir, quick) -> run.Measurement:
        """Runs once under the allocator.  quick asks for a run of a second at most."""
        raise NotImplementedError


@dataclass
class CommandWorkload(Workload):
    """A workload that is one command from start to end."""
    command: Callable[..., run.Command]     # command(dir, quick) -> run.Command
    group: str = ''

    def measure(self, allocator, dir, quick):
        return run.measure(self.command(dir, quick), allocator)
