"""Sizes as texts: those of limits read, and those of reports written."""

from __future__ import annotations

import re

_SIZE = re.compile(r"\s*(\+?\d*\.\d+|\+?\d+)\s*([KMGTP]i?B|B)\s*", re.IGNORECASE)
_POWERS = {"B": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def parse(text: object) -> int:
    """Returns the bytes that a text like "24 MB" means; KB is 1024 bytes, as pytest-memray has it, and KiB too.

    Raises ValueError, which names the text, if it means none.
    """
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{text!r} is no size: write a number and B, KB, MB, GB, TB or PB, like "24 MB"')
    number, unit = match.groups()
    return int(float(number) * 1024 ** _POWERS[unit[0].upper()])


def text(size: float) -> str:
    """Returns a size as a text: 24.0 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
