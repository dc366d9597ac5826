/**
 * The tree that the graph shows, grown only where somebody looks: its cells are sets of nodes of the report's tree that have
 * the same visible frames on their way. `down` goes from callers to callees, `up` from the innermost frame outward.
 */
import type { Keys } from "./keys";
import type { Report } from "./report";
import type { Weights } from "./weights";

export interface Cell {
    /** The key of its frame; -1 at the root. */
    key: number;
    /** A frame of it; -1 at the root. */
    frame: number;
    /** Nodes whose weights it has. */
    nodes: number[];
    /** Going up: where on its way each of `nodes` is. Going down, `nodes` itself. */
    at: number[];
    value: number;
    other: number;
    width: number;
    before: number;
    after: number;
    parent: Cell | null;
    children: Cell[] | null;
}

export class Trie {
    readonly root: Cell;
    private readonly slot: Int32Array;

    constructor(
        private readonly report: Report,
        private readonly keys: Keys,
        private readonly visible: Uint8Array,
        private readonly weights: Weights,
        readonly direction: "down" | "up",
        starts: number[],
        rootFrame: number,
    ) {
        this.slot = new Int32Array(keys.n).fill(-1);
        const key = rootFrame < 0 ? -1 : keys.of[rootFrame];
        this.root = emptyCell(key, rootFrame, null);
        for (const node of starts) this.add(this.root, node, node);
    }

    /** The children of a cell, the widest first. */
    children(cell: Cell): Cell[] {
        if (cell.children === null) {
            const found: Cell[] = [];
            if (this.direction === "down") for (const node of cell.at) this.callees(cell, node, found);
            else for (let i = 0; i < cell.nodes.length; i++) this.caller(cell, cell.nodes[i], cell.at[i], found);
            for (const child of found) this.slot[child.key] = -1;
            cell.children = found.sort((a, b) => b.width - a.width || a.key - b.key);
        }
        return cell.children;
    }

    /** Iterative: a way of hidden frames can be as long as a stack is deep. */
    private callees(cell: Cell, top: number, found: Cell[]): void {
        const { firstChild, nextSibling, frameOf } = this.report;
        const open = [top];
        for (let node = open.pop(); node !== undefined; node = open.pop()) {
            for (let child = firstChild[node]; child >= 0; child = nextSibling[child]) {
                if (this.weights.width[child] === 0) continue;
                const frame = frameOf[child];
                if (this.visible[frame]) this.add(this.childOf(cell, frame, found), child, child);
                else open.push(child);
            }
        }
    }

    private caller(cell: Cell, node: number, at: number, found: Cell[]): void {
        if (this.weights.width[node] === 0) return;
        const { parent, frameOf } = this.report;
        // The root of a tree of all stacks stands for no frame: the way begins at the node itself.
        let next = cell.parent === null && cell.frame < 0 ? at : parent[at];
        while (next > 0 && !this.visible[frameOf[next]]) next = parent[next];
        if (next > 0) this.add(this.childOf(cell, frameOf[next], found), node, next);
    }

    private childOf(cell: Cell, frame: number, found: Cell[]): Cell {
        const key = this.keys.of[frame];
        if (this.slot[key] < 0) {
            this.slot[key] = found.length;
            found.push(emptyCell(key, frame, cell));
        }
        return found[this.slot[key]];
    }

    private add(cell: Cell, node: number, at: number): void {
        const { value, other, width, before, after } = this.weights;
        cell.nodes.push(node);
        cell.at.push(at);
        cell.value += value[node];
        cell.other += other[node];
        cell.width += width[node];
        cell.before += before[node];
        cell.after += after[node];
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

function emptyCell(key: number, frame: number, parent: Cell | null): Cell {
    return { key, frame, nodes: [], at: [], value: 0, other: 0, width: 0, before: 0, after: 0, parent, children: null };
}

/** The cells from the root's child to `cell`. */
export function wayTo(cell: Cell): Cell[] {
    const way: Cell[] = [];
    for (let at: Cell | null = cell; at?.parent; at = at.parent) way.push(at);
    return way.reverse();
}
