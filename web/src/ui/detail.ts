/** What is known of the chosen cell: figures, source, stack, sizes and lifetimes of its blocks. */
import type { Bars } from "../model/histogram";
import { type Cell, type Trie, wayTo } from "../model/trie";
import type { View } from "../model/view";
import type { Actions } from "./app";
import { h } from "./dom";
import type { Names } from "./names";
import { sourceOf } from "./source";
import { figures, frameNotes, placeOf } from "./tooltip";
import { duration, figure, share } from "./units";

const STACK_SHOWN = 200;

export class Detail {
    readonly element = h("div", { class: "detail", role: "tabpanel", "aria-label": "Details", tabindex: 0 });
    private from: unknown[] = [];

    constructor(
        private readonly view: View,
        private readonly names: Names,
        private readonly actions: Actions,
    ) {}

    render(): void {
        const { view } = this;
        if (view.state.tab !== "detail") return;
        const place = view.state.selected;
        const { trie, cell } =
            place === null ? { trie: view.tries().main, cell: view.tries().main.root } : view.cellAt(place);
        const from = [cell, view.state.unit, view.kept(), view.values()];
        if (!from.some((part, i) => part !== this.from[i])) return;
        this.from = from;
        this.element.replaceChildren(...this.parts(trie, cell));
    }

    private parts(trie: Trie, cell: Cell): Node[] {
        const { view, names } = this;
        const parts: Node[] = [this.heading(trie, cell)];
        if (cell.frame >= 0) {
            const source = sourceOf(view, names, trie, cell);
            if (source !== null) parts.push(source);
        }
        const { sizes, lifetimes } = view.histograms(view.sitesUnder(trie, cell));
        const histograms = [this.sizes(sizes), this.lifetimes(lifetimes)].filter((part) => part !== null);
        parts.push(h("div", { class: "histograms" }, ...histograms));
        if (cell.parent !== null) parts.push(this.stack(trie, cell));
        return parts;
    }

    private heading(trie: Trie, cell: Cell): HTMLElement {
        const { view, names, actions } = this;
        const lines = figures(view, cell);
        const head = h(
            "div",
            { class: "heading" },
            h("h2", {}, cell.frame < 0 ? "All that is looked at" : names.whole(cell.frame)),
        );
        if (cell.frame >= 0) {
            const module = view.report.moduleName(cell.frame);
            head.append(h("p", { class: "place" }, placeOf(view, names, trie, cell) || names.wholeModule(cell.frame)));
            const notes = frameNotes(view, cell.frame);
            const of = module === "" ? "" : `in ${names.wholeModule(cell.frame)}`;
            head.append(h("p", { class: "place" }, [of, notes].filter((part) => part !== "").join("; ")));
        }
        head.append(...lines.map((line) => h("p", { class: "figures" }, line)));
        if (cell.frame < 0) {
            head.append(
                h("p", { class: "place" }, "Choose a cell of the graph to see its source, stack, sizes and lifetimes."),
            );
            return head;
        }
        const button = (text: string, title: string, act: () => void) =>
            h("button", { type: "button", title, click: act }, text);
        head.append(
            h(
                "div",
                { class: "buttons" },
                button("Focus", "Who calls this function, and what it calls (s)", () => actions.focus(cell.frame)),
                button("Hide", "Take this function out of the stacks", () => actions.hide(cell.frame)),
                button("Copy stack", "Copy the stack as text (c)", () => actions.copyStack({ trie, cell })),
            ),
        );
        return head;
    }

    private stack(trie: Trie, cell: Cell): HTMLElement {
        const way = wayTo(cell);
        const outward = trie.direction === "up" ? way : way.slice().reverse();
        const items = outward.slice(0, STACK_SHOWN).map((at) =>
            h(
                "li",
                {},
                h(
                    "button",
                    {
                        type: "button",
                        class: "link",
                        click: () => this.actions.select(this.view.placeOf(trie, at)),
                    },
                    this.names.label(at.frame),
                ),
                h("small", {}, this.names.place(at.frame)),
            ),
        );
        const rest = outward.length - items.length;
        if (rest > 0) items.push(h("li", {}, h("small", {}, `and ${rest} more`)));
        return h("section", {}, h("h3", {}, "Stack, innermost first"), h("ol", { class: "stack" }, ...items));
    }

    private sizes(bars: Bars): HTMLElement | null {
        const of = this.view.report.data.kind === "recording" ? "of all that was allocated here" : "of what lives here";
        return this.histogram("Sizes", of, bars, (bucket) => (bucket === 0 ? "0 B" : power(bucket - 1)));
    }

    private lifetimes(bars: Bars): HTMLElement | null {
        const { limitsNs } = this.view.report.data.lifetimes;
        const label = (bucket: number) =>
            bucket < limitsNs.length ? `< ${duration(limitsNs[bucket])}` : `\u2265 ${duration(limitsNs.at(-1) ?? 0)}`;
        return this.histogram("Lifetimes", "of what was freed", bars, label);
    }

    private histogram(title: string, of: string, bars: Bars, label: (bucket: number) => string): HTMLElement | null {
        const { unit } = this.view.state;
        const values = bars[unit];
        const sum = values.reduce((all, value) => all + value, 0);
        if (sum === 0) return null;
        const first = bars.blocks.findIndex((n) => n > 0);
        const last = bars.blocks.findLastIndex((n) => n > 0);
        const most = values.reduce((a, b) => Math.max(a, b), 0);
        const rows: HTMLElement[] = [];
        for (let bucket = first; bucket <= last; bucket++) {
            const bar = h("span", { class: "share", "aria-hidden": "true" });
            bar.style.width = `${(100 * values[bucket]) / most}%`;
            rows.push(
                h(
                    "tr",
                    {
                        title: `${figure(bars.blocks[bucket], "blocks")} blocks, ${figure(bars.bytes[bucket], "bytes")}`,
                    },
                    h("th", { scope: "row" }, label(bucket)),
                    h("td", { class: "bar" }, bar),
                    h("td", {}, figure(values[bucket], unit)),
                    h("td", {}, share(values[bucket], sum)),
                ),
            );
        }
        const caption = h("caption", {}, title, h("small", {}, of));
        return h("table", { class: "histogram" }, caption, h("tbody", {}, ...rows));
    }
}

/** 2^exponent bytes in the largest unit that it is a whole number of. */
function power(exponent: number): string {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    return `\u2265 ${2 ** (exponent % 10)} ${units[Math.floor(exponent / 10)]}`;
}
