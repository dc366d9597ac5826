/** Which sites are looked at: those of the chosen domain, thread, label and process, with the focused function and a match in their stack. */
import type { Report } from "./report";

export const DIMENSIONS = ["domain", "thread", "label", "process"] as const;
export type Dimension = (typeof DIMENSIONS)[number];
export type Chosen = { [dimension in Dimension]: number | null };

/** Marks each node that has a frame of `frames` between the root and itself. */
export function nodesWithin(report: Report, frames: Uint8Array): Uint8Array {
    const { parent, frameOf, nNodes } = report;
    const within = new Uint8Array(nNodes);
    for (let node = 1; node < nNodes; node++) within[node] = within[parent[node]] | frames[frameOf[node]];
    return within;
}

/** Marks the nodes at and below `tops`. */
export function nodesBelow(report: Report, tops: Iterable<number>): Uint8Array {
    const below = new Uint8Array(report.nNodes);
    for (const node of tops) below[node] = 1;
    for (let node = 1; node < report.nNodes; node++) below[node] |= below[report.parent[node]];
    return below;
}

/** Marks the sites that are `chosen` and whose nodes are in each of `nodes`. */
export function sitesOf(report: Report, chosen: Chosen, nodes: Uint8Array[]): Uint8Array {
    const kept = new Uint8Array(report.nSites).fill(1);
    for (const dimension of DIMENSIONS) {
        const wanted = chosen[dimension];
        if (wanted === null) continue;
        const column = report.sites[dimension];
        for (let site = 0; site < kept.length; site++) if (column[site] !== wanted) kept[site] = 0;
    }
    for (const marked of nodes) {
        for (let site = 0; site < kept.length; site++) kept[site] &= marked[report.sites.node[site]];
    }
    return kept;
}
