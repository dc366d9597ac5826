/** The box beside the pointer, and what it says of a cell of the graph. */
import { errorOf, isChange } from "../model/measure";
import type { Cell, Trie } from "../model/trie";
import type { View } from "../model/view";
import { h } from "./dom";
import type { Names } from "./names";
import { amount, blocks, bytes, plusMinus, share, signed } from "./units";

export class Tooltip {
    readonly element = h("div", { class: "tooltip", role: "presentation", hidden: true });

    /** The first line is the heading. */
    show(lines: string[], at: { clientX: number; clientY: number }): void {
        const { element } = this;
        element.replaceChildren(...lines.map((line, i) => h("div", { class: i === 0 ? "heading" : "" }, line)));
        element.hidden = false;
        const { offsetWidth, offsetHeight } = element;
        const left = at.clientX + 14 + offsetWidth > innerWidth ? at.clientX - offsetWidth - 10 : at.clientX + 14;
        const top = at.clientY + 16 + offsetHeight > innerHeight ? at.clientY - offsetHeight - 10 : at.clientY + 16;
        element.style.left = `${Math.max(4, left)}px`;
        element.style.top = `${Math.max(4, top)}px`;
    }

    hide(): void {
        this.element.hidden = true;
    }
}

export function cellTip(view: View, names: Names, trie: Trie, cell: Cell): string[] {
    const { report, state } = view;
    const lines = [names.whole(cell.frame)];
    if (cell.frame >= 0) {
        const place = placeOf(view, names, trie, cell);
        if (place !== "") lines.push(place);
        const module = report.moduleName(cell.frame);
        if (module !== "") lines.push(`in ${names.wholeModule(cell.frame)}`);
        const notes = frameNotes(view, cell.frame);
        if (notes !== "") lines.push(notes);
    }
    lines.push(...figures(view, cell));
    const self = trie.self(cell);
    if (trie.direction === "down" && self !== 0) lines.push(`of that itself ${amount(self, state.unit)}`);
    return lines;
}

/** Value and share; before and after where there are two moments. */
export function figures(view: View, cell: Cell): string[] {
    const { unit, measure } = view.state;
    const [b, n] = unit === "bytes" ? [cell.value, cell.other] : [cell.other, cell.value];
    const what = isChange(measure)
        ? `${signed(b, "bytes")}, ${signed(n, "blocks")} blocks`
        : `${bytes(b)} in ${blocks(n)}`;
    const part = isChange(measure)
        ? `${share(cell.width, view.width())} of all changes`
        : share(cell.width, view.width());
    const lines = [`${what}, ${part}`];
    const error = plusMinus(errorOf(view.report, b, n), b);
    if (error !== "" && !isChange(measure)) lines.push(`estimated from samples: the bytes ${error}`);
    if (view.hasTwoMoments()) {
        const [before, after] = [amount(cell.before, unit), amount(cell.after, unit)];
        lines.push(`before ${before}, after ${after}: ${signed(cell.after - cell.before, unit)}`);
    }
    return lines;
}

export function frameNotes(view: View, frame: number): string {
    const { report } = view;
    const kinds = ["", "Python", "the interpreter's own", "guessed by frame pointers", ""];
    const notes = [kinds[report.kind[frame]] ?? ""];
    if (report.plumbing[frame]) notes.push("plumbing: allocates for others");
    if (report.data.frames.inlined[frame]) notes.push("inlined");
    return notes.filter((note) => note !== "").join("; ");
}

const LINES_SHOWN = 4;

/** The file with the lines that a cell is made of, those with most first. */
export function placeOf(view: View, names: Names, trie: Trie, cell: Cell): string {
    const { report } = view;
    const byFrame = new Map<number, number>();
    cell.at.forEach((node, i) => {
        const frame = report.frameOf[node];
        byFrame.set(frame, (byFrame.get(frame) ?? 0) + Math.abs(trie.weightOf(cell.nodes[i])));
    });
    const frames = [...byFrame].sort((a, b) => b[1] - a[1]).map(([frame]) => frame);
    const lines = frames.map((frame) => report.line(frame)).filter((line) => line > 0);
    if (lines.length <= 1) return names.wholePlace(cell.frame);
    const shown = lines.slice(0, LINES_SHOWN).join(", ");
    const file = names.wholeFile(cell.frame);
    return `${file}, lines ${shown}${lines.length > LINES_SHOWN ? ` and ${lines.length - LINES_SHOWN} more` : ""}`;
}
