"""CPython's own test_tracemalloc.py, over the drop-in. What fails is in the list below, with the reason, and all of it fails."""

from __future__ import annotations

import json
import sys

import pytest
from conftest import Programs

_C_TABLES = "reads the C module's own table by _PyTraceMalloc_GetTraceback"
_C_STATE = "PyTraceMalloc_Track of a static interpreter asks the C module whether it traces"

OF_THE_C_MODULE = {
    "TestCAPI.test_track": _C_TABLES,
    "TestCAPI.test_track_without_gil": _C_TABLES,
    "TestCAPI.test_track_already_tracked": _C_TABLES,
    "TestCAPI.test_untrack": _C_TABLES,
    "TestCAPI.test_untrack_without_gil": _C_TABLES,
    "TestCAPI.test_stop_untrack": _C_STATE,
}
if sys.version_info < (3, 13):
    OF_THE_C_MODULE["TestTracemallocEnabled.test_new_reference"] = (
        "the interpreter tells the C module alone that an object comes from a free list"
    )

DRIVER = """
    import json, sys, unittest
    import tmheap
    tmheap.install()
    from test import test_tracemalloc
    assert test_tracemalloc.tracemalloc.__name__ == "tmheap.tracemalloc"
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_tracemalloc)
    def run(depth):
        # One test wants the stack to be as deep as under CPython's own runner.
        return run(depth - 1) if depth else unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    def names(suite):
        for test in suite:
            yield from names(test) if isinstance(test, unittest.TestSuite) else [name(test)]
    name = lambda test: ".".join(test.id().split("(")[0].strip().split(".")[-2:])
    all_names = list(names(suite))
    result = run(10)
    problems = {name(test): text for test, text in result.failures + result.errors}
    json.dump({"names": all_names, "skipped": [name(test) for test, _ in result.skipped], "problems": problems},
              open("result.json", "w"))
"""


def test_passes_but_for_tests_of_the_c_module(programs: Programs, mode: str) -> None:
    pytest.importorskip("test.test_tracemalloc", reason="this interpreter has no test suite")
    programs.script(DRIVER, mode=mode, TM_FOLLOW="0")
    result = json.loads((programs.folder / "result.json").read_text())
    assert len(result["names"]) >= 40
    # Later versions have more tests than earlier ones.
    expected = set(OF_THE_C_MODULE) & set(result["names"]) - set(result["skipped"])
    wrong = {name: text for name, text in result["problems"].items() if name not in expected}
    assert not wrong, "\n".join(wrong.values())
    assert set(result["problems"]) == expected, "these pass now: take them off the list"
    assert set(result["skipped"]) <= {name for name in result["skipped"] if name.startswith("TestCAPI") or sys.version_info > (3, 13)}
