"""The pytest plugin: limits of memory for tests, and a table of those that took most.

    @pytest.mark.limit_memory("24 MB")    the test fails if it has more than that at its peak
    @pytest.mark.limit_leaks("1 MB")      ... if it leaves that much or more behind from one place (call stack)
    pytest --tmheap                       measures every test

The names, and how sizes are written, are those of pytest-memray.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Callable, Generator, Optional

import pytest

from tmheap import _bytes
from tmheap._measure import Measured, Measurement

_MARKERS = {
    "limit_memory": "limit_memory(limit): fail the test if its memory is above the limit at its peak",
    "limit_leaks": "limit_leaks(location_limit, *, filter_fn=None): fail the test if one call stack leaves that much behind",
}
_SHOWN_MAX = 10
_FRAMES_MAX = 5


@dataclass(frozen=True)
class StackFrame:
    """A frame of a call stack, as pytest-memray gives it to a filter."""

    function: str
    filename: str
    lineno: int


@dataclass(frozen=True)
class Stack:
    """A call stack, the most recent frame first."""

    frames: tuple[StackFrame, ...]


@dataclass(frozen=True)
class _Limits:
    """The limits of a test, in bytes."""

    memory: Optional[int]
    leaks: Optional[int]
    filter_fn: Optional[Callable[[Stack], bool]]

    @classmethod
    def of(cls, item: pytest.Item) -> _Limits:
        memory, _ = _limit(item, "limit_memory", ())
        leaks, keywords = _limit(item, "limit_leaks", ("filter_fn",))
        return cls(memory, leaks, keywords.get("filter_fn"))

    def verdict(self, measured: Measured) -> Optional[tuple[str, str]]:
        """Returns why the test fails, and a list of places; None if it keeps its limits."""
        if self.memory is not None and measured.peak > self.memory:
            why = f"Test was limited to {_bytes.text(self.memory)} but had {_bytes.text(measured.peak)} at its peak"
            return why, _places(measured.grown, "What it has left:") if measured.grown else ""
        if self.leaks is not None:
            leaks = [group for group in measured.grown if group[1] >= self.leaks and self._counts(group[0])]
            if leaks:
                why = f"Test was allowed to leak {_bytes.text(self.leaks)} per location but at least one leaked more"
                return why, _places(leaks, "Leaked allocations:")
        return None

    def _counts(self, trace: Any) -> bool:
        if self.filter_fn is None:
            return True
        frames = tuple(StackFrame("???", frame.filename, frame.lineno) for frame in reversed(trace))
        return bool(self.filter_fn(Stack(frames)))


def _limit(item: pytest.Item, name: str, known: tuple[str, ...]) -> tuple[Optional[int], dict[str, Any]]:
    marker = item.get_closest_marker(name)
    if marker is None:
        return None, {}
    where = f"@pytest.mark.{name} of {item.nodeid}"
    unknown = sorted(set(marker.kwargs) - set(known))
    if unknown:
        raise pytest.UsageError(f"{where} has no argument {unknown[0]}")
    if len(marker.args) != 1:
        raise pytest.UsageError(f'{where} needs one size, like "24 MB"')
    try:
        return _bytes.parse(marker.args[0]), dict(marker.kwargs)
    except ValueError as error:
        raise pytest.UsageError(f"{where}: {error}") from None


def _places(groups: list[tuple[Any, int, int]], title: str) -> str:
    lines = [title]
    for trace, size, count in groups[:_SHOWN_MAX]:
        lines.append(f"    {_bytes.text(size)} in {count} blocks, allocated here (most recent call first):")
        lines += [f"    {line}" for line in trace.format(limit=_FRAMES_MAX, most_recent_first=True)]
    if len(groups) > _SHOWN_MAX:
        lines.append(f"    ... and {len(groups) - _SHOWN_MAX} more places")
    return "\n".join(lines)


def _failure(why: str) -> pytest.ExceptionInfo[BaseException]:
    """Returns what pytest makes of a test that has failed for this reason."""
    try:
        pytest.fail(why, pytrace=False)
    except pytest.fail.Exception:
        return pytest.ExceptionInfo.from_current()


class Plugin:
    """Measures tests. What was measured goes with the reports, so that it comes from pytest-xdist's workers too."""

    def __init__(self, measures_all: bool, n_shown: int) -> None:
        self.measures_all = measures_all
        self.n_shown = n_shown
        self.limits: dict[str, _Limits] = {}
        self.verdicts: dict[str, tuple[str, str]] = {}
        self.figures: dict[str, dict[str, int]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Reads all limits before the first test: one that means nothing ends the run."""
        for item in items:
            self.limits[item.nodeid] = _Limits.of(item)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        """Measures the call of a test, without its fixtures."""
        limits = self.limits.get(item.nodeid) or _Limits.of(item)
        if not self.measures_all and limits.memory is None and limits.leaks is None:
            yield
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            measurement = Measurement(with_tracebacks=limits.leaks is not None)
        for warning in caught:
            # Whatever the run makes of warnings: the test itself has nothing to do with it.
            item.config.issue_config_time_warning(RuntimeWarning(str(warning.message)), stacklevel=2)
        yield
        measured = measurement.end()
        if measured is None:
            return
        self.figures[item.nodeid] = {"peak": measured.peak, "left": measured.left}
        verdict = limits.verdict(measured)
        if verdict is not None:
            self.verdicts[item.nodeid] = verdict

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:
        """Makes a test that passed, but not within its limits, a failed one: for xfail and others as if it had raised."""
        verdict = self.verdicts.pop(item.nodeid, None) if call.when == "call" else None
        if call.excinfo is not None:
            verdict = None
        if verdict is not None:
            call.excinfo = _failure(verdict[0])
        outcome = yield
        if call.when != "call":
            return
        report = outcome.get_result()
        figures = self.figures.pop(item.nodeid, None)
        if figures is not None and self.measures_all:
            report.user_properties.append(("tmheap", figures))
        if verdict is not None and verdict[1] and report.outcome == "failed":
            report.sections.append(("tmheap", verdict[1]))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Writes the table."""
        if not self.measures_all:
            return
        rows = []
        for reports in terminalreporter.stats.values():
            for report in reports:
                figures = dict(getattr(report, "user_properties", ())).get("tmheap")
                if figures is not None and report.when == "call":
                    rows.append((figures["peak"], figures["left"], report.nodeid))
        rows.sort(reverse=True)
        terminalreporter.write_sep("=", "memory of tests (tmheap)")
        if not rows:
            terminalreporter.write_line("no test was measured")
            return
        terminalreporter.write_line(f"{'peak':>12} {'left':>12}  test")
        for peak, left, name in rows[: self.n_shown or len(rows)]:
            terminalreporter.write_line(f"{_bytes.text(peak):>12} {_bytes.text(left):>12}  {name}")
        if self.n_shown and len(rows) > self.n_shown:
            terminalreporter.write_line(f"... and {len(rows) - self.n_shown} more tests; --tmheap-most 0 shows all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("tmheap")
    group.addoption("--tmheap", action="store_true", help="measure the memory of every test, and show those that took most")
    group.addoption(
        "--tmheap-most", type=int, default=10, metavar="N", help="how many tests the table shows (0: all; default: 10)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the plugin and its marks."""
    for line in _MARKERS.values():
        config.addinivalue_line("markers", line)
    if config.pluginmanager.hasplugin("memray_manager") and not config.getoption("--tmheap"):
        # pytest-memray has marks of the same names, and keeps the limits itself.
        return
    plugin = Plugin(config.getoption("--tmheap"), config.getoption("--tmheap-most"))
    config.pluginmanager.register(plugin, "tmheap_plugin")
