/**
 * The tree that the graph shows, grown only where somebody looks: its cells are sets of nodes of the report's tree that have
 * the same visible frames on their way. `down` goes from callers to callees, `up` from the innermost frame outward.
 */
import type { Keys } from "./keys";
import type { Report } from "./report";
import { isNothing, type Weights } from "./weights";

export class Cell {
    children: Cell[] | null = null;
    width = 0;
    /** Nodes whose weights it has. */
    readonly nodes: number[] = [];
    /** Going up: where on its way each of `nodes` is. Going down, `nodes` itself. */
    readonly at: number[];
    private sums: Float64Array | null = null;

    constructor(
        private readonly weights: Weights,
        direction: "down" | "up",
        /** The key of its frame; -1 at the root. */
        readonly key: number,
        /** A frame of it; -1 at the root. */
        readonly frame: number,
        readonly parent: Cell | null,
    ) {
        this.at = direction === "down" ? this.nodes : [];
    }

    get value(): number {
        return this.summed()[0];
    }

    get other(): number {
        return this.summed()[1];
    }

    get before(): number {
        return this.summed()[2];
    }

    get after(): number {
        return this.summed()[3];
    }

    /** Most cells are laid out and never asked for more than their width. */
    private summed(): Float64Array {
        if (this.sums === null) {
            this.sums = new Float64Array(4);
            const { value, other, before, after } = this.weights;
            for (const node of this.nodes) {
                this.sums[0] += value[node];
                this.sums[1] += other[node];
                this.sums[2] += before?.[node] ?? 0;
                this.sums[3] += after?.[node] ?? 0;
            }
        }
        return this.sums;
    }
}

export class Trie {
    readonly root: Cell;
    private readonly slot: Int32Array;

    constructor(
        private readonly report: Report,
        private readonly keys: Keys,
        /** Marks by node. */
        private readonly visible: Uint8Array,
        private readonly weights: Weights,
        readonly direction: "down" | "up",
        starts: number[],
        rootFrame: number,
    ) {
        this.slot = new Int32Array(keys.n).fill(-1);
        const key = rootFrame < 0 ? -1 : keys.of[rootFrame];
        this.root = new Cell(weights, direction, key, rootFrame, null);
        for (const node of starts) this.add(this.root, node, node);
    }

    /** The children of a cell that have a width, the widest first. */
    children(cell: Cell): Cell[] {
        if (cell.children === null) {
            const found: Cell[] = [];
            // What has no width has a before and an after to add to a cell, but needs none of its own.
            const narrow: number[] = [];
            if (this.direction === "down") for (const node of cell.at) this.callees(cell, node, found, narrow);
            else
                for (let i = 0; i < cell.nodes.length; i++) this.caller(cell, cell.nodes[i], cell.at[i], found, narrow);
            for (let i = 0; i < narrow.length; i += 2) this.addTo(found, narrow[i], narrow[i + 1]);
            for (const child of found) this.slot[child.key] = -1;
            cell.children = found.sort((a, b) => b.width - a.width || a.key - b.key);
        }
        return cell.children;
    }

    /** Iterative: a way of hidden frames can be as long as a stack is deep. */
    private callees(cell: Cell, top: number, found: Cell[], narrow: number[]): void {
        const { firstChild, nextSibling } = this.report;
        const open = [top];
        for (let node = open.pop(); node !== undefined; node = open.pop()) {
            for (let child = firstChild[node]; child >= 0; child = nextSibling[child]) {
                if (isNothing(this.weights, child)) continue;
                if (this.visible[child]) this.place(cell, child, child, found, narrow);
                else open.push(child);
            }
        }
    }

    private caller(cell: Cell, node: number, at: number, found: Cell[], narrow: number[]): void {
        if (isNothing(this.weights, node)) return;
        const { parent } = this.report;
        // The root of a tree of all stacks stands for no frame: the way begins at the node itself.
        let next = cell.parent === null && cell.frame < 0 ? at : parent[at];
        while (next > 0 && !this.visible[next]) next = parent[next];
        if (next > 0) this.place(cell, node, next, found, narrow);
    }

    private place(cell: Cell, node: number, at: number, found: Cell[], narrow: number[]): void {
        if (this.weights.width[node] === 0) {
            narrow.push(node, at);
            return;
        }
        const frame = this.report.frameOf[at];
        const key = this.keys.of[frame];
        if (this.slot[key] < 0) {
            this.slot[key] = found.length;
            found.push(new Cell(this.weights, this.direction, key, frame, cell));
        }
        this.add(found[this.slot[key]], node, at);
    }

    private addTo(found: Cell[], node: number, at: number): void {
        const slot = this.slot[this.keys.of[this.report.frameOf[at]]];
        if (slot >= 0) this.add(found[slot], node, at);
    }

    private add(cell: Cell, node: number, at: number): void {
        cell.nodes.push(node);
        if (cell.at !== cell.nodes) cell.at.push(at);
        cell.width += this.weights.width[node];
    }

    weightOf(node: number): number {
        return this.weights.value[node];
    }

    /** What the cell holds beside what its children hold. */
    self(cell: Cell): number {
        return this.children(cell).reduce((rest, child) => rest - child.value, cell.value);
    }

    /** Finds the cell at the end of a way of keys, or as far on that way as there is one. */
    find(way: number[]): Cell {
        let cell = this.root;
        for (const key of way) {
            const next = this.children(cell).find((child) => child.key === key);
            if (next === undefined) break;
            cell = next;
        }
        return cell;
    }
}

/** The cells from the root's child to `cell`. */
export function wayTo(cell: Cell): Cell[] {
    const way: Cell[] = [];
    for (let at: Cell | null = cell; at?.parent; at = at.parent) way.push(at);
    return way.reverse();
}
