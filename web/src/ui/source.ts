/** Source lines around a frame, each with what is blamed on it. */
import type { Cell, Trie } from "../model/trie";
import type { View } from "../model/view";
import { h } from "./dom";
import { clip, type Names } from "./names";
import { figure } from "./units";

const AROUND = 6;

export function sourceOf(view: View, names: Names, trie: Trie, cell: Cell): HTMLElement | null {
    const { report } = view;
    const line = mainLine(view, trie, cell);
    const file = report.data.frames.file[cell.frame];
    const part = report.data.sources.find(
        (source) => source.file === file && line >= source.firstLine && line < source.firstLine + source.lines.length,
    );
    if (part === undefined) return null;
    const held = heldByLine(view, trie, cell);
    const first = Math.max(part.firstLine, line - AROUND);
    const last = Math.min(part.firstLine + part.lines.length - 1, line + AROUND);
    const rows: HTMLElement[] = [];
    for (let at = first; at <= last; at++) {
        const value = held.get(at);
        rows.push(
            h(
                "tr",
                { class: at === line ? "here" : "" },
                h("td", { class: "value" }, value === undefined ? "" : figure(value, view.state.unit)),
                h("th", { scope: "row" }, String(at)),
                h("td", {}, h("code", {}, clip(part.lines[at - part.firstLine].replace(/\t/g, "    "), 300))),
            ),
        );
    }
    const caption = h("caption", {}, "Source", h("small", {}, `${names.wholeFile(cell.frame)}:${line}`));
    return h("div", { class: "source" }, h("table", {}, caption, h("tbody", {}, ...rows)));
}

/** What the cell holds by each line of its function. */
function heldByLine(view: View, trie: Trie, cell: Cell): Map<number, number> {
    const { report } = view;
    const held = new Map<number, number>();
    cell.at.forEach((node, i) => {
        const line = report.line(report.frameOf[node]);
        if (line > 0) held.set(line, (held.get(line) ?? 0) + trie.weightOf(cell.nodes[i]));
    });
    return held;
}

function mainLine(view: View, trie: Trie, cell: Cell): number {
    let [best, most] = [view.report.line(cell.frame), -1];
    for (const [line, value] of heldByLine(view, trie, cell)) {
        if (Math.abs(value) > most) [best, most] = [line, Math.abs(value)];
    }
    return best;
}
