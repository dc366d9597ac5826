/** Where the cells of a trie stand, as far as they can be seen: rows of boxes, in fractions of the whole width. */
import type { Cell, Trie } from "./trie";

export interface Box {
    /** null: cells that are too narrow each, together. */
    cell: Cell | null;
    from: number;
    until: number;
    /** How many cells it stands for. */
    n: number;
}

/** Lays out `root` and all below it whose box is at least `narrowest` wide. */
export function layout(trie: Trie, root: Cell, narrowest: number): Box[][] {
    const rows: Box[][] = [[{ cell: root, from: 0, until: 1, n: 1 }]];
    if (root.width === 0) return rows;
    const scale = 1 / root.width;
    for (let depth = 0; depth < rows.length; depth++) {
        const below: Box[] = [];
        for (const box of rows[depth]) {
            if (box.cell !== null) placeChildren(trie, box.cell, box.from, scale, narrowest, below);
        }
        if (below.length > 0) rows.push(below);
    }
    return rows;
}

function placeChildren(trie: Trie, cell: Cell, left: number, scale: number, narrowest: number, into: Box[]): void {
    const children = trie.children(cell);
    let from = left;
    for (let i = 0; i < children.length; i++) {
        const until = from + children[i].width * scale;
        if (until - from >= narrowest) {
            into.push({ cell: children[i], from, until, n: 1 });
            from = until;
            continue;
        }
        // The widest come first, so all that follow are too narrow as well.
        const rest = children.slice(i).reduce((width, child) => width + child.width, 0) * scale;
        if (rest >= narrowest) into.push({ cell: null, from, until: from + rest, n: children.length - i });
        return;
    }
}

/** The box at a fraction of the width, by bisection. */
export function boxAt(row: Box[], fraction: number): Box | null {
    let low = 0;
    let high = row.length - 1;
    while (low <= high) {
        const middle = (low + high) >> 1;
        if (fraction < row[middle].from) high = middle - 1;
        else if (fraction >= row[middle].until) low = middle + 1;
        else return row[middle];
    }
    return null;
}
