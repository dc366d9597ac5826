"""Sizes as texts."""

from __future__ import annotations

import pytest

from tmheap import _bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24 MB", 24 << 20), ("24MiB", 24 << 20), ("1.5 kb", 1536), ("0 B", 0), (" 7B ", 7), ("+3 GB", 3 << 30),
        (".5 TB", 1 << 39), ("1PB", 1 << 50),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert _bytes.parse(text) == size


@pytest.mark.parametrize("text", ["", "MB", "24", "24 XB", "-1 MB", "1 MB each", "1,5 MB", None, 24, b"1 MB"])
def test_what_is_no_size_is_named(text: object) -> None:
    with pytest.raises(ValueError, match="is no size") as caught:
        _bytes.parse(text)
    assert repr(text) in str(caught.value)


def test_sizes_are_written() -> None:
    assert [_bytes.text(size) for size in (0, 1023, 1536, 24 << 20, 5 << 30, 3 << 40)] == [
        "0 B", "1023 B", "1.5 KiB", "24.0 MiB", "5.0 GiB", "3.0 TiB",
    ]
