"""The plugin fails tests that go beyond their limits, shows those that took most, and refuses limits that mean nothing."""

from __future__ import annotations

import pytest
from conftest import DLOPENED, PRELOADED, PRODUCTS

LIMITED = """
    import pytest
    kept = []

    @pytest.mark.limit_memory("2 MB")
    def test_keeps_its_limit():
        bytearray(1_000_000)

    @pytest.mark.limit_memory("2 MB")
    def test_goes_beyond():
        bytearray(3_000_000)

    @pytest.mark.limit_memory("2 MB")
    @pytest.mark.parametrize("size", [100, 4_000_000])
    def test_with_parameters(size):
        bytearray(size)

    @pytest.fixture
    def large():
        return bytearray(9_000_000)

    @pytest.mark.limit_memory("2 MB")
    def test_fixtures_do_not_count(large):
        assert large

    @pytest.mark.limit_leaks("1 MB")
    def test_leaks():
        kept.append(bytearray(1_500_000))

    @pytest.mark.limit_leaks("1 MB")
    def test_leaks_less_in_each_place():
        kept.append(bytearray(700_000))
        kept.append(bytearray(700_000))

    @pytest.mark.limit_leaks("1 MB")
    def test_what_it_frees_is_no_leak():
        cycle = [bytearray(5_000_000)]
        cycle.append(cycle)

    @pytest.mark.limit_leaks("1 MB", filter_fn=lambda stack: "conftest" in stack.frames[0].filename)
    def test_leaks_what_is_left_out():
        kept.append(bytearray(2_000_000))

    @pytest.mark.limit_memory("1 KB")
    def test_fails_by_itself():
        kept.append(bytearray(100_000))
        assert False, "its own reason"

    class TestOfAClass:
        pytestmark = pytest.mark.limit_memory("1 MB")
        def test_method(self):
            bytearray(1_500_000)

    def test_without_a_limit():
        bytearray(7_000_000)
"""


@pytest.fixture(params=[DLOPENED, PRELOADED])
def tests(request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of tests, and how libtm.so comes."""
    for name in ("LD_PRELOAD", "TM_OUT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    if request.param == PRELOADED:
        monkeypatch.setenv("LD_PRELOAD", str(PRODUCTS / "libtm.so"))
        monkeypatch.setenv("TM_OUT", "%p.bin")
    return pytester


def test_limits(tests: pytest.Pytester) -> None:
    tests.makepyfile(LIMITED)
    result = tests.runpytest_subprocess("-p", "no:cacheprovider", "-rA")
    failed = {
        "test_goes_beyond": "limited to 2.0 MiB but had 2.9 MiB at its peak",
        "test_with_parameters[[]4000000[]]": "limited to 2.0 MiB but had 3.8 MiB at its peak",
        "test_leaks": "allowed to leak 1.0 MiB per location but at least one leaked more",
        "TestOfAClass::test_method": "limited to 1.0 MiB but had 1.4 MiB at its peak",
    }
    result.assert_outcomes(failed=len(failed) + 1, passed=7)
    for name, reason in failed.items():
        result.stdout.fnmatch_lines([f"Test was {reason}"])
        result.stdout.fnmatch_lines([f"FAILED *::{name}*"])
    result.stdout.fnmatch_lines(["*1.4 MiB in * blocks, allocated here*", "*test_limits.py*, line 27"])
    result.stdout.fnmatch_lines(["FAILED *::test_fails_by_itself - AssertionError: its own reason*"])


def test_a_limit_that_is_expected_to_fail_is_no_failure(tests: pytest.Pytester) -> None:
    tests.makepyfile("""
        import pytest

        @pytest.mark.xfail
        @pytest.mark.limit_memory("2 MB")
        def test_goes_beyond():
            bytearray(3_000_000)

        @pytest.mark.xfail(strict=True)
        @pytest.mark.limit_memory("2 MB")
        def test_goes_beyond_for_certain():
            bytearray(3_000_000)

        @pytest.mark.xfail
        @pytest.mark.limit_memory("2 MB")
        def test_keeps_it():
            pass
    """)
    tests.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(xfailed=2, xpassed=1)


def test_the_table_shows_those_that_took_most(tests: pytest.Pytester) -> None:
    tests.makepyfile(LIMITED)
    result = tests.runpytest_subprocess("-p", "no:cacheprovider", "--tmheap", "--tmheap-most", "2")
    result.stdout.fnmatch_lines([
        "*memory of tests (tmheap)*",
        "*peak*left*test",
        "*6.7 MiB*test_without_a_limit",
        "*4.8 MiB*test_what_it_frees_is_no_leak",
        "... and 10 more tests; --tmheap-most 0 shows all",
    ])


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('limit_memory("24 apples")', "'24 apples' is no size: write a number and B, KB, MB"),
        ("limit_memory(24)", "24 is no size"),
        ("limit_leaks()", "needs one size"),
        ('limit_memory("1 MB", current_thread_only=True)', "has no argument current_thread_only"),
    ],
)
def test_limits_that_mean_nothing_end_the_run(pytester: pytest.Pytester, mark: str, said: str) -> None:
    pytester.makepyfile(f"""
        import pytest
        def test_first():
            print("test_first has run")
        @pytest.mark.{mark}
        def test_limited():
            pass
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-s")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str() and "test_limited" in result.stderr.str()
    assert "has run" not in result.stdout.str()
