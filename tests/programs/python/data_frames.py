"""Builds and joins DataFrames, and keeps them: the lines that allocate most are of this file and of pandas."""

import numpy as np
import pandas as pd

ROWS = 200_000


def measurements(seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "station": random.integers(0, 500, ROWS),
            "value": random.normal(size=ROWS),
            "weight": random.random(ROWS),
        }
    )


def stations():
    return pd.DataFrame({"station": np.arange(500), "height": np.linspace(0, 3000, 500)})


def main():
    parts = [measurements(seed) for seed in range(4)]
    joined = pd.concat(parts, ignore_index=True)
    merged = joined.merge(stations(), on="station")
    merged["product"] = merged["value"] * merged["weight"]
    means = merged.groupby("station").mean()
    print(len(joined), len(merged), len(means))
    return parts, joined, merged, means


kept = main()
