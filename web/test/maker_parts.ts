/** Parts of made-up reports that follow from their cells, or from chance alone. */
import type { Cells, Histogram, ReportData, Sites, Timeline } from "../src/format";

export class Random {
    constructor(private state: number) {}

    /** mulberry32 */
    next(): number {
        this.state = (this.state + 0x6d2b79f5) | 0;
        let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    below(n: number): number {
        return Math.floor(this.next() * n);
    }

    pick<T>(of: readonly T[]): T {
        return of[this.below(of.length)];
    }
}

/** Calls `visit` for each cell with its site and slice. */
export function eachCell(cells: Cells, visit: (cell: number, site: number, slice: number) => void): void {
    let at = 0;
    cells.perSite.forEach((n, site) => {
        let slice = 0;
        for (let i = 0; i < n; i++, at++) {
            slice += cells.slice[at];
            visit(at, site, slice);
        }
    });
}

export function peakOf(sites: Sites, cells: Cells, slices: number): number {
    const live = new Array<number>(slices + 1).fill(0);
    live[0] = sites.startBytes.reduce((a, b) => a + b, 0);
    eachCell(cells, (cell, _, slice) => {
        live[slice + 1] += cells.allocatedBytes[cell] - cells.freedBytes[cell];
    });
    for (let i = 1; i <= slices; i++) live[i] += live[i - 1];
    return live.indexOf(Math.max(...live));
}

export function makeTimeline(sites: Sites, cells: Cells, boundaries: number[], nDomains: number): Timeline {
    const n = boundaries.length - 1;
    const changes = Array.from({ length: nDomains }, () => new Array<number>(n).fill(0));
    const allocations = new Array<number>(n).fill(0);
    const frees = new Array<number>(n).fill(0);
    eachCell(cells, (cell, site, slice) => {
        changes[sites.domain[site]][slice] += cells.allocatedBytes[cell] - cells.freedBytes[cell];
        allocations[slice] += cells.allocatedBlocks[cell];
        frees[slice] += cells.freedBlocks[cell];
    });
    changes.forEach((column, domain) => {
        let live = 0;
        sites.startBytes.forEach((bytes, site) => {
            if (sites.domain[site] === domain) live += bytes;
        });
        for (let i = 0; i < n; i++) {
            live += column[i];
            column[i] = live;
        }
    });
    return {
        fromNs: boundaries[0],
        stepNs: (boundaries[n] - boundaries[0]) / n,
        mostBytes: changes,
        allocations,
        frees,
    };
}

export function noHistogram(): Histogram {
    return { perSite: [], bucket: [], blocks: [], bytes: [] };
}

export function makeHistogram(random: Random, nSites: number, buckets: number): Histogram {
    const made = noHistogram();
    for (let site = 0; site < nSites; site++) {
        const bucket = random.below(buckets);
        made.perSite.push(bucket + 1 < buckets ? 2 : 1);
        for (let at = bucket; at < Math.min(bucket + 2, buckets); at++) {
            made.bucket.push(at);
            made.blocks.push(1 + random.below(50));
            made.bytes.push(made.blocks[made.blocks.length - 1] * 2 ** at);
        }
    }
    return made;
}

export function makeSources(data: ReportData): ReportData["sources"] {
    const { file, line, kind } = data.frames;
    const sources: ReportData["sources"] = [];
    for (let frame = 1; frame < file.length && sources.length < 400; frame++) {
        if (file[frame] === 0 || line[frame] < 8 || kind[frame] > 1) continue;
        const name = data.strings[data.frames.function[frame]];
        const lines = Array.from({ length: 9 }, (_, i) =>
            i === 4 ? `    buffer.resize(needed);  // ${name}` : `    step_${i}(context, ${i});`,
        );
        sources.push({ file: file[frame], firstLine: line[frame] - 4, lines });
    }
    return sources;
}
