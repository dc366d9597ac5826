/** What is measured of each site, at a moment or in a window. All sums are of integers below 2^53, so exact. */
import type { Report } from "./report";

export type Measure = "live" | "grew" | "allocated" | "freed" | "temporary" | "before" | "after" | "difference";
export type Unit = "bytes" | "blocks";

/** Indices of boundaries: the moment, and the window's two ends. */
export interface Time {
    moment: number;
    from: number;
    until: number;
}

/** Standard deviations to either side that hold 95 of 100 estimates. */
const SIGMAS_95 = 1.96;
/** So many samples are added to those that were drawn. */
const MORE = 3;

/**
 * Gives how far a sum of bytes in blocks may be off in 95 of 100 cases; 0 where every event was recorded. A byte that is estimated from samples adds
 * their mean distance to the variance, and less in a large block, which is the more certainly drawn: all are taken to be of the mean size, and where
 * the number of blocks is not known, to be small. A few samples are added, for where there are few their own variance is too small.
 */
export function errorOf(report: Report, bytes: number, blocks = Number.POSITIVE_INFINITY): number {
    const distance = Math.max(0, ...report.data.origins.map(({ sampleBytes }) => sampleBytes));
    if (distance === 0 || bytes === 0) return 0;
    const size = Math.abs(bytes / blocks) / distance;
    const ofByte = size > 0 ? (distance * size) / Math.expm1(size) : distance;
    const sample = size > 0 ? (distance * size) / -Math.expm1(-size) : distance;
    return SIGMAS_95 * Math.sqrt(ofByte * (Math.abs(bytes) + MORE * sample));
}

/** The measures that a report of this kind can answer. */
export function measuresOf(report: Report): Measure[] {
    switch (report.data.kind) {
        case "recording":
            return ["live", "grew", "allocated", "freed", "temporary"];
        case "difference":
            return ["difference", "before", "after"];
        case "moment":
            return ["live"];
    }
}

export function isOfWindow(measure: Measure): boolean {
    return measure === "grew" || measure === "allocated" || measure === "freed" || measure === "temporary";
}

/** Measures whose sums can be below zero. */
export function isChange(measure: Measure): boolean {
    return measure === "grew" || measure === "difference";
}

export function bySite(report: Report, measure: Measure, unit: Unit, time: Time): Float64Array {
    const bytes = unit === "bytes";
    const { startBytes, startBlocks, afterBytes, afterBlocks } = report.sites;
    const start = bytes ? startBytes : startBlocks;
    const after = bytes ? afterBytes : afterBlocks;
    switch (measure) {
        case "before":
            return Float64Array.from(start);
        case "after":
            return Float64Array.from(after);
        case "difference":
            return after.map((value, site) => value - start[site]);
        case "live":
            return changed(report, bytes, Float64Array.from(start), 0, time.moment);
        case "grew":
            return changed(report, bytes, new Float64Array(report.nSites), time.from, time.until);
        default:
            return summed(report, measure, bytes, time);
    }
}

/** Adds to `into` what was allocated and not freed in the slices [from, until). */
function changed(report: Report, bytes: boolean, into: Float64Array, from: number, until: number): Float64Array {
    const { site, slice, allocatedBytes, allocatedBlocks, freedBytes, freedBlocks } = report.cells;
    const allocated = bytes ? allocatedBytes : allocatedBlocks;
    const freed = bytes ? freedBytes : freedBlocks;
    for (let i = 0; i < slice.length; i++) {
        if (slice[i] >= from && slice[i] < until) into[site[i]] += allocated[i] - freed[i];
    }
    return into;
}

function summed(
    report: Report,
    measure: "allocated" | "freed" | "temporary",
    bytes: boolean,
    time: Time,
): Float64Array {
    const { site, slice } = report.cells;
    const column = report.cells[`${measure}${bytes ? "Bytes" : "Blocks"}`];
    const into = new Float64Array(report.nSites);
    for (let i = 0; i < slice.length; i++) {
        if (slice[i] >= time.from && slice[i] < time.until) into[site[i]] += column[i];
    }
    return into;
}

/** What lived before and after: at the window's ends, of a difference the two origins. */
export function ends(report: Report, unit: Unit, time: Time): { before: Float64Array; after: Float64Array } {
    if (report.data.kind !== "recording") {
        const before = bySite(report, "before", unit, time);
        return { before, after: report.data.kind === "difference" ? bySite(report, "after", unit, time) : before };
    }
    return {
        before: bySite(report, "live", unit, { ...time, moment: time.from }),
        after: bySite(report, "live", unit, { ...time, moment: time.until }),
    };
}
