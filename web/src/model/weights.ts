/** What each node holds of the measure: itself, and with all that it leads to. */
import type { Report } from "./report";

/** Columns by node. `width` is what a node takes in the graph: the size of a change, whichever its sign. */
export interface Weights {
    value: Float64Array;
    /** The same in the other unit. */
    other: Float64Array;
    width: Float64Array;
    before: Float64Array | null;
    after: Float64Array | null;
}

/** Whether a node adds nothing to any column; what did not change has no width, but a before and an after. */
export function isNothing({ width, other, before, after }: Weights, node: number): boolean {
    return width[node] === 0 && other[node] === 0 && !before?.[node] && !after?.[node];
}

/** Columns by site; without a before and an after where nobody asks for them. */
export interface SiteValues {
    value: Float64Array;
    other: Float64Array;
    before: Float64Array | null;
    after: Float64Array | null;
}

/** Adds the kept sites up by node. */
export function ownWeights(report: Report, values: SiteValues, kept: Uint8Array): Weights {
    const value = byNode(report, values.value, kept);
    return {
        value,
        other: byNode(report, values.other, kept),
        width: absolute(value),
        before: values.before && byNode(report, values.before, kept),
        after: values.after && byNode(report, values.after, kept),
    };
}

export function totalWeights(report: Report, own: Weights): Weights {
    const value = withBelow(report, own.value);
    return {
        value,
        other: withBelow(report, own.other),
        width: own.width === own.value ? value : withBelow(report, own.width),
        before: own.before && withBelow(report, own.before),
        after: own.after && withBelow(report, own.after),
    };
}

function byNode(report: Report, values: Float64Array, kept: Uint8Array): Float64Array {
    const sums = new Float64Array(report.nNodes);
    const { node } = report.sites;
    for (let site = 0; site < node.length; site++) if (kept[site]) sums[node[site]] += values[site];
    return sums;
}

/** The same column where nothing in it is below zero. */
function absolute(values: Float64Array): Float64Array {
    for (let i = 0; i < values.length; i++) if (values[i] < 0) return values.map(Math.abs);
    return values;
}

function withBelow(report: Report, own: Float64Array): Float64Array {
    const sums = Float64Array.from(own);
    for (let node = report.nNodes - 1; node > 0; node--) sums[report.parent[node]] += sums[node];
    return sums;
}

export function sum(values: Float64Array, kept: Uint8Array): number {
    let total = 0;
    for (let i = 0; i < values.length; i++) if (kept[i]) total += values[i];
    return total;
}
