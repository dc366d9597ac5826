# ROWS rows as a DataFrame: joined, grouped, sorted, turned to text and read again, ten times.
import io
import sys

import numpy
import pandas

rows = int(sys.argv[1])
random = numpy.random.default_rng(7)
sums = 0.0
for _ in range(10):
    left = pandas.DataFrame({"key": random.integers(0, rows // 7, rows), "value": random.random(rows)})
    left["name"] = [f"row {key}" for key in left["key"]]
    right = pandas.DataFrame({"key": range(rows // 7), "weight": random.random(rows // 7)})
    joined = left.merge(right, on="key")
    joined["product"] = joined["value"] * joined["weight"]
    grouped = joined.groupby("name")["product"].agg(["sum", "mean", "count"]).sort_values("sum")
    again = pandas.read_csv(io.StringIO(grouped.to_csv()))
    sums += float(again["sum"].sum()) + len(again.to_dict("records"))
print(round(sums, 6))
