"""Puts libtm.so, libtm_query.so and tmtool into the wheel, and gives it its platform.

They are taken from the folder that TMHEAP_PRODUCTS names; without it cargo builds them in the checkout around this
folder. TMHEAP_PLATFORM names the platform that given ones are for (scripts/package knows it); without it the wheel is for
systems like this one.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PRODUCTS = ("libtm.so", "libtm_query.so", "tmtool")
MACHINES = ("x86_64", "aarch64")
BUILD = ("cargo", "build", "--release", "-p", "tm-preload", "-p", "tm-query", "-p", "tmtool")


def build_products(checkout: Path) -> Path:
    """Has cargo build the products; returns the folder where they stand."""
    if not (checkout / "Cargo.toml").is_file() or not (checkout / "preload").is_dir():
        sys.exit(
            f"tmheap: {checkout} is no checkout of tm, so the libraries of the wheel cannot be built: build the wheel "
            f"from python/ in a checkout, or set TMHEAP_PRODUCTS to a folder with {', '.join(PRODUCTS)}"
        )
    if shutil.which("cargo") is None:
        sys.exit(
            "tmheap: cargo is not in PATH, and the libraries of the wheel are built by it: install Rust "
            f"(https://rustup.rs), or set TMHEAP_PRODUCTS to a folder with {', '.join(PRODUCTS)}"
        )
    if subprocess.run(BUILD, cwd=checkout, check=False).returncode != 0:
        sys.exit(f"tmheap: `{' '.join(BUILD)}` in {checkout} failed; its messages stand above")
    return Path(os.environ.get("CARGO_TARGET_DIR", checkout / "target")) / "release"


class ProductsHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the products to what hatchling packs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Is called before a target is built."""
        if self.target_name == "sdist":
            sys.exit(
                "tmheap: there is no source distribution, since the libraries are built from the checkout around this "
                "folder: build a wheel"
            )
        platform_tag = os.environ.get("TMHEAP_PLATFORM")
        machine = platform.machine()
        if platform_tag is None and (sys.platform != "linux" or machine not in MACHINES):
            sys.exit(f"tmheap: wheels are for Linux on {' and '.join(MACHINES)}, not for {sys.platform} on {machine}")
        given = os.environ.get("TMHEAP_PRODUCTS")
        folder = Path(given) if given else build_products(Path(self.root).resolve().parent)
        for name in PRODUCTS:
            if not (folder / name).is_file():
                sys.exit(f"tmheap: there is no {name} in {folder}")
            build_data["force_include"][str(folder / name)] = f"tmheap/products/{name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag or f'linux_{machine}'}"
