/** The report as typed arrays, with what is derived of the tree of stacks once: children, a preorder, the cells' sites. */
import type { Cells, ReportData, Sites } from "../format";

export interface SiteColumns {
    node: Int32Array;
    blamed: Int32Array;
    domain: Int32Array;
    thread: Int32Array;
    label: Int32Array;
    process: Int32Array;
    startBytes: Float64Array;
    startBlocks: Float64Array;
    afterBytes: Float64Array;
    afterBlocks: Float64Array;
}

export interface CellColumns {
    site: Int32Array;
    slice: Int32Array;
    allocatedBytes: Float64Array;
    allocatedBlocks: Float64Array;
    freedBytes: Float64Array;
    freedBlocks: Float64Array;
    temporaryBytes: Float64Array;
    temporaryBlocks: Float64Array;
}

export class Report {
    readonly nNodes: number;
    readonly nSites: number;
    readonly nFrames: number;
    readonly nSlices: number;
    readonly parent: Int32Array;
    readonly frameOf: Int32Array;
    readonly firstChild: Int32Array;
    readonly nextSibling: Int32Array;
    /** Nodes in the order in which a walk down the tree meets them. */
    readonly preorder: Int32Array;
    readonly plumbing: Uint8Array;
    readonly kind: Uint8Array;
    /** The index of each frame's file in `files`: of code without lines the file is what is before the address, `libc.so.6` of `libc.so.6+0x1234`. */
    readonly fileOf: Int32Array;
    readonly files: string[] = [];
    readonly sites: SiteColumns;
    readonly cells: CellColumns;

    constructor(readonly data: ReportData) {
        this.nNodes = data.nodes.parent.length;
        this.nSites = data.sites.node.length;
        this.nFrames = data.frames.function.length;
        this.nSlices = Math.max(0, data.boundaries.length - 1);
        this.parent = Int32Array.from(data.nodes.parent);
        this.frameOf = Int32Array.from(data.nodes.frame);
        this.plumbing = Uint8Array.from(data.frames.plumbing);
        this.kind = Uint8Array.from(data.frames.kind);
        this.fileOf = this.filed();
        this.firstChild = new Int32Array(this.nNodes).fill(-1);
        this.nextSibling = new Int32Array(this.nNodes).fill(-1);
        for (let node = this.nNodes - 1; node > 0; node--) {
            const parent = this.parent[node];
            this.nextSibling[node] = this.firstChild[parent];
            this.firstChild[parent] = node;
        }
        this.preorder = this.walked();
        this.sites = siteColumns(data.sites);
        this.cells = cellColumns(data.cells);
    }

    string(index: number): string {
        return this.data.strings[index] ?? "";
    }

    functionName(frame: number): string {
        return this.string(this.data.frames.function[frame]);
    }

    /** The file without an address. */
    fileName(frame: number): string {
        return this.files[this.fileOf[frame]];
    }

    /** The file, or where there are no lines the module's name and the address. */
    fileOrAddress(frame: number): string {
        return this.string(this.data.frames.file[frame]);
    }

    moduleName(frame: number): string {
        return this.string(this.data.frames.module[frame]);
    }

    line(frame: number): number {
        return this.data.frames.line[frame];
    }

    /** Gives the nodes from the outermost to `node`. */
    way(node: number): number[] {
        const nodes: number[] = [];
        for (let at = node; at > 0; at = this.parent[at]) nodes.push(at);
        return nodes.reverse();
    }

    private filed(): Int32Array {
        const known = new Map<string, number>();
        return Int32Array.from(this.data.frames.file, (_, frame) => {
            const name = this.fileWithoutAddress(frame);
            let index = known.get(name);
            if (index === undefined) {
                index = this.files.push(name) - 1;
                known.set(name, index);
            }
            return index;
        });
    }

    private fileWithoutAddress(frame: number): string {
        const file = this.fileOrAddress(frame);
        if (this.line(frame) > 0) return file;
        const module = this.moduleName(frame);
        const name = module.slice(module.lastIndexOf("/") + 1);
        return name !== "" && file.startsWith(`${name}+0x`) ? name : file;
    }

    private walked(): Int32Array {
        const order = new Int32Array(this.nNodes);
        let n = 0;
        let at = this.nNodes > 0 ? 0 : -1;
        while (at >= 0) {
            order[n++] = at;
            if (this.firstChild[at] >= 0) {
                at = this.firstChild[at];
                continue;
            }
            while (at > 0 && this.nextSibling[at] < 0) at = this.parent[at];
            at = at > 0 ? this.nextSibling[at] : -1;
        }
        return order;
    }
}

function siteColumns(sites: Sites): SiteColumns {
    return {
        node: Int32Array.from(sites.node),
        blamed: Int32Array.from(sites.blamed),
        domain: Int32Array.from(sites.domain),
        thread: Int32Array.from(sites.thread),
        label: Int32Array.from(sites.label),
        process: Int32Array.from(sites.process),
        startBytes: Float64Array.from(sites.startBytes),
        startBlocks: Float64Array.from(sites.startBlocks),
        afterBytes: Float64Array.from(sites.afterBytes),
        afterBlocks: Float64Array.from(sites.afterBlocks),
    };
}

function cellColumns(cells: Cells): CellColumns {
    const n = cells.slice.length;
    const site = new Int32Array(n);
    const slice = new Int32Array(n);
    let at = 0;
    cells.perSite.forEach((count, of) => {
        let last = 0;
        for (let i = 0; i < count; i++, at++) {
            last = i === 0 ? cells.slice[at] : last + cells.slice[at];
            site[at] = of;
            slice[at] = last;
        }
    });
    return {
        site,
        slice,
        allocatedBytes: Float64Array.from(cells.allocatedBytes),
        allocatedBlocks: Float64Array.from(cells.allocatedBlocks),
        freedBytes: Float64Array.from(cells.freedBytes),
        freedBlocks: Float64Array.from(cells.freedBlocks),
        temporaryBytes: Float64Array.from(cells.temporaryBytes),
        temporaryBlocks: Float64Array.from(cells.temporaryBlocks),
    };
}
