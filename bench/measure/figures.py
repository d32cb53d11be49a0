"""Figures that a workload reports itself, beside time and peak memory, and the goals they have."""
import math
from dataclasses import dataclass
from typing import Callable

from measure import stats


@dataclass(frozen=True)
class Figure:
    """One figure of a workload.  of and goal take the figures of its report as {name: number}, and
    scale among them; the least is the best, but where more is set the most is."""
    name: str                       # with its unit: 'RSS after a trim, x live'
    of: Callable[[dict], float]
    goal: Callable[[dict], float] = None
    goal_text: str = ''             # where the goal differs from allocator to allocator
    digits: int = 2
    more: bool = False


@dataclass(frozen=True)
class Value:
    """A figure of one allocator's runs, in the middle."""
    value: float
    goal: float = None
    more: bool = False

    @property
    def of_goal(self):
        """At most 1 where the goal is met; None if there is no goal."""
        if self.goal is None:
            return None
        over, under = (self.goal, self.value) if self.more else (self.value, self.goal)
        return over / under if under else math.inf


def _reported(run):
    figures = run.report.get('figures') or {}
    return figures | {'scale': run.report.get('scale', 1)}


def refused(runs):
    """Whether the system did not let the workload do what it measures."""
    return any(_reported(run).get('refused') for run in runs)


def value(figure, runs):
    """The Value of some runs; None if there is none, or one did not report it."""
    reports = [_reported(run) for run in runs]
    try:
        values = [figure.of(report) for report in reports]
        goals = [figure.goal(report) for report in reports] if figure.goal else []
    except (KeyError, ZeroDivisionError):
        return None
    if not values:
        return None
    return Value(stats.median(values), stats.median(goals) if goals else None, figure.more)


def values(results, workload):
    """{allocator name: {figure name: Value or None}} of a workload."""
    return {one.name: {figure.name: value(figure, results.measurements(workload.name, one.name))
                       for figure in workload.figures}
            for one in results.allocators}


# ---- In words.

def text(figure, one):
    """As '1.53', or as '1.53 (1.27)' with what it is of its goal."""
    shown = f'{one.value:,.{figure.digits}f}'
    return shown if one.of_goal is None else f'{shown} ({one.of_goal:.2f})'


def _goal_text(figure, values_of):
    """The goal, which is the same for all where it has no text of its own."""
    if figure.goal_text or not figure.goal:
        return figure.goal_text
    goals = [found[figure.name].goal for found in values_of.values() if found[figure.name]]
    return f'{goals[0]:,.{figure.digits}f}' if goals else ''


def _cell(results, workload, figure, name, one):
    if results.failed(workload.name, name):
        return 'failed'
    if one:
        return text(figure, one)
    return 'refused' if refused(results.measurements(workload.name, name)) else '-'


def rows(results, workloads):
    """A table's rows, its head first: a line a figure, a column an allocator."""
    found = [['', 'goal', *(one.name for one in results.allocators)]]
    for workload in workloads:
        values_of = values(results, workload)
        for figure in workload.figures:
            cells = [_cell(results, workload, figure, name, one[figure.name])
                     for name, one in values_of.items()]
            found.append([f'{workload.name}: {figure.name}', _goal_text(figure, values_of), *cells])
    return found


def of_goals(results):
    """{'workload: figure': {allocator name: part of the goal, or None}}, of figures with goals."""
    return {f'{workload.name}: {figure.name}':
            {name: one[figure.name] and one[figure.name].of_goal for name, one in found.items()}
            for workload in results.workloads
            for found in [values(results, workload)]
            for figure in workload.figures if figure.goal}


def verdict(results, allocator):
    """As 'loam meets 3 of 9 goals.'; '' if there are none."""
    parts = [found[allocator] for found in of_goals(results).values()]
    told = [part for part in parts if part is not None]
    if not parts:
        return ''
    return (f'{allocator} meets {sum(part <= 1 for part in told)} of {len(told)} goals'
            + (f'; {len(parts) - len(told)} were not measured.' if len(told) < len(parts) else '.'))
