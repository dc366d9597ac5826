/** Keys by which one walks through the graph. */
import type { Actions } from "./app";
import type { Spot } from "./graph";

/** Gives the cell that a key leads to from `spot`; null if the key does not walk. `grows`: where the rows go from the root. */
export function graphKey(event: KeyboardEvent, spot: Spot, actions: Actions, grows: "up" | "down"): Spot | null {
    const { trie, cell } = spot;
    switch (event.key) {
        case "ArrowUp":
        case "ArrowDown": {
            const isInward = (event.key === "ArrowUp") === (grows === "up");
            const next = isInward ? trie.children(cell)[0] : cell.parent;
            return next && next.width > 0 ? { trie, cell: next } : null;
        }
        case "ArrowLeft":
        case "ArrowRight": {
            const siblings = cell.parent === null ? [] : trie.children(cell.parent).filter(({ width }) => width > 0);
            const next = siblings[siblings.indexOf(cell) + (event.key === "ArrowLeft" ? -1 : 1)];
            return next ? { trie, cell: next } : null;
        }
        case "Enter":
            actions.zoomTo(spot);
            event.preventDefault();
            return null;
        case "ContextMenu": {
            const bounds = (event.target as HTMLElement).getBoundingClientRect();
            actions.menu(spot, bounds.left + 40, bounds.top + 40);
            return null;
        }
        default:
            return null;
    }
}
