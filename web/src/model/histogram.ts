/** Histograms of the sites that are looked at: sizes by power of two, lifetimes by limits. */
import type { Histogram } from "../format";

export interface Bars {
    blocks: Float64Array;
    bytes: Float64Array;
}

export function bars(histogram: Histogram, kept: Uint8Array): Bars {
    let n = 0;
    for (const bucket of histogram.bucket) n = Math.max(n, bucket + 1);
    const blocks = new Float64Array(n);
    const bytes = new Float64Array(n);
    let at = 0;
    histogram.perSite.forEach((count, site) => {
        if (kept[site]) {
            for (let i = at; i < at + count; i++) {
                blocks[histogram.bucket[i]] += histogram.blocks[i];
                bytes[histogram.bucket[i]] += histogram.bytes[i];
            }
        }
        at += count;
    });
    return { blocks, bytes };
}
