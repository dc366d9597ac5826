# JSON written and read again, ROWS rows four times: 12 million events with 14,500.
import json
import sys

rows = [
    {"id": i, "name": "row %d" % i, "values": list(range(i % 17)), "more": {"x": i / 7}} for i in range(int(sys.argv[1]))
]
for _ in range(4):
    rows = json.loads(json.dumps(rows, indent=1))
print(len(json.dumps(rows)), rows[-1])
