"""CPython's tracemalloc answers each line of JSON on stdin with a line of JSON on stdout.

A case is {"old": [trace...], "new": [trace...], "filters": [filter...], "limits": [...], "names": [...]}; a trace is
[domain, size, [[filename, lineno]... most recent first], total_nframe], a filter [inclusive, pattern, lineno,
all_frames, domain] or [inclusive, domain].
"""
import json
import linecache
import sys
import tracemalloc

linecache.getline = lambda filename, lineno: "\t source %s %s \n" % (filename, lineno) if lineno % 2 else ""


def snapshot(traces):
    raw = [(d, s, tuple((f, n) for f, n in frames), total) for d, s, frames, total in traces]
    return tracemalloc.Snapshot(raw, 7)


def rows(statistics):
    return [[str(s), repr(s)] for s in statistics]


def answer(case):
    old, new = snapshot(case["old"]), snapshot(case["new"])
    filters = [
        tracemalloc.DomainFilter(*f) if len(f) == 2 else tracemalloc.Filter(*f) for f in case["filters"]
    ]
    filtered = new.filter_traces(filters)
    result = {
        "traces": [[str(t), repr(t)] for t in new.traces],
        "filtered": [repr(t) for t in filtered.traces],
        "kept_by_each": [[repr(t) for t in new.filter_traces([f]).traces] for f in filters],
        "formatted": [
            new.traces[0].traceback.format(limit, first) for limit in case["limits"] for first in (False, True)
        ] if case["new"] else [],
        "statistics": [],
        "compared": [],
    }
    for key in ("filename", "lineno", "traceback"):
        for cumulative in (False, True):
            if key == "traceback" and cumulative:
                continue
            result["statistics"].append([rows(s.statistics(key, cumulative)) for s in (old, new, filtered)])
            result["compared"].append(
                [rows(a.compare_to(b, key, cumulative)) for a, b in ((new, old), (old, new), (filtered, new))]
            )
    return result


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
