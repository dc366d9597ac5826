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

export function rowsOfFrames(
    report: Report,
    keys: Keys,
    values: SiteValues,
    kept: Uint8Array,
    total: Weights,
    hidden: Uint8Array,
): Row[] {
    const rows = emptyRows(keys.n, (key) => keys.frame[key]);
    const { blamed } = report.sites;
    for (let site = 0; site < report.nSites; site++) {
        if (!kept[site]) continue;
        let node = blamed[site];
        while (node > 0 && hidden[report.frameOf[node]]) node = report.parent[node];
        if (node > 0) addSite(rows[keys.of[report.frameOf[node]]], values, site);
    }
    addTotals(report, keys, total, rows);
    return rows.filter((row) => isShown(row));
}

export function rowsOfSites(report: Report, dimension: Dimension, values: SiteValues, kept: Uint8Array): Row[] {
    const column = report.sites[dimension];
    const rows = emptyRows(report.data[`${dimension === "process" ? "processe" : dimension}s`].length, () => -1);
    for (let site = 0; site < report.nSites; site++) if (kept[site]) addSite(rows[column[site]], values, site);
    for (const row of rows) row.total = row.self;
    return rows.filter((row) => isShown(row));
}

function emptyRows(n: number, frame: (key: number) => number): Row[] {
    return Array.from({ length: n }, (_, key) => ({
        key,
        frame: frame(key),
        self: 0,
        other: 0,
        before: 0,
        after: 0,
        total: 0,
    }));
}

function addSite(row: Row, values: SiteValues, site: number): void {
    row.self += values.value[site];
    row.other += values.other[site];
    row.before += values.before?.[site] ?? 0;
    row.after += values.after?.[site] ?? 0;
}

/** A block counts once for a key however often this stands in its stack: only the outermost node of a key on each way is added. */
function addTotals(report: Report, keys: Keys, total: Weights, rows: Row[]): void {
    const { preorder, parent, frameOf } = report;
    const open = new Int32Array(keys.n);
    let last = 0;
    for (let i = 1; i < preorder.length; i++) {
        const node = preorder[i];
        for (; last > 0 && last !== parent[node]; last = parent[last]) open[keys.of[frameOf[last]]]--;
        const key = keys.of[frameOf[node]];
        if (open[key] === 0) rows[key].total += total.value[node];
        open[key]++;
        last = node;
    }
}

function isShown(row: Row): boolean {
    return row.self !== 0 || row.other !== 0 || row.total !== 0 || row.before !== 0 || row.after !== 0;
}
