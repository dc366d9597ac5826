/** Tables: what each line, function, file, module, thread, label, process or domain holds: itself as `tmtool stats` blames, and in all. */
import type { Keys } from "./keys";
import type { Report } from "./report";
import type { Dimension } from "./selection";
import type { SiteValues, Weights } from "./weights";

export interface Row {
    /** The key of a frame, or the index of a thread, label, process, domain. */
    key: number;
    /** A frame of the key; -1 for threads and the like. */
    frame: number;
    self: number;
    /** Self in the other unit. */
    other: number;
    before: number;
    after: number;
    total: number;
}

/** `outermost` marks the nodes of [`outermostOf`]: a block counts once for a key however often this stands in its stack. */
export function rowsOfFrames(
    report: Report,
    keys: Keys,
    outermost: Uint8Array,
    values: SiteValues,
    kept: Uint8Array,
    total: Weights,
    hidden: Uint8Array,
): Row[] {
    const { frameOf, parent } = report;
    const { blamed } = report.sites;
    const key = new Int32Array(report.nSites).fill(-1);
    for (let site = 0; site < key.length; site++) {
        if (!kept[site]) continue;
        let node = blamed[site];
        while (node > 0 && hidden[frameOf[node]]) node = parent[node];
        if (node > 0) key[site] = keys.of[frameOf[node]];
    }
    const totals = new Float64Array(keys.n);
    for (let node = 1; node < outermost.length; node++) {
        if (outermost[node]) totals[keys.of[frameOf[node]]] += total.value[node];
    }
    return rows(key, keys.n, values, totals, (of) => keys.frame[of]);
}

export function rowsOfSites(report: Report, dimension: Dimension, values: SiteValues, kept: Uint8Array): Row[] {
    const column = report.sites[dimension];
    const key = column.map((of, site) => (kept[site] ? of : -1));
    const n = report.data[`${dimension === "process" ? "processe" : dimension}s`].length;
    return rows(key, n, values, null, () => -1);
}

/** Marks the nodes with no node of the same key between the root and themselves. */
export function outermostOf(report: Report, keys: Keys): Uint8Array {
    const { preorder, parent, frameOf } = report;
    const outermost = new Uint8Array(report.nNodes);
    const open = new Int32Array(keys.n);
    let last = 0;
    for (let i = 1; i < preorder.length; i++) {
        const node = preorder[i];
        for (; last > 0 && last !== parent[node]; last = parent[last]) open[keys.of[frameOf[last]]]--;
        if (open[keys.of[frameOf[node]]]++ === 0) outermost[node] = 1;
        last = node;
    }
    return outermost;
}

/** The rows that have anything, of sites with a key below `n`; without `totals` each has itself in all. */
function rows(
    key: Int32Array,
    n: number,
    values: SiteValues,
    totals: Float64Array | null,
    frame: (key: number) => number,
): Row[] {
    const self = byKey(key, n, values.value);
    const other = byKey(key, n, values.other);
    const before = values.before && byKey(key, n, values.before);
    const after = values.after && byKey(key, n, values.after);
    const total = totals ?? self;
    const found: Row[] = [];
    for (let of = 0; of < n; of++) {
        if (self[of] === 0 && other[of] === 0 && total[of] === 0 && !before?.[of] && !after?.[of]) continue;
        found.push({
            key: of,
            frame: frame(of),
            self: self[of],
            other: other[of],
            before: before?.[of] ?? 0,
            after: after?.[of] ?? 0,
            total: total[of],
        });
    }
    return found;
}

function byKey(key: Int32Array, n: number, values: Float64Array): Float64Array {
    const sums = new Float64Array(n);
    for (let site = 0; site < key.length; site++) if (key[site] >= 0) sums[key[site]] += values[site];
    return sums;
}
