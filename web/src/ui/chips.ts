/** What limits the look, each with a button that takes the limit away; and the way to the cell that is zoomed to. */
import { DIMENSIONS } from "../model/selection";
import type { View } from "../model/view";
import { hasWindow, nameOf } from "../state";
import type { Actions } from "./app";
import { h } from "./dom";
import type { Graph } from "./graph";
import { clip, type Names } from "./names";
import { duration } from "./units";

const CRUMBS_MAX = 7;

export class Chips {
    readonly element = h("div", { class: "chips" });

    constructor(
        private readonly view: View,
        private readonly names: Names,
        private readonly graph: Graph,
        private readonly actions: Actions,
    ) {}

    render(): void {
        this.element.replaceChildren(this.crumbs(), ...this.limits());
    }

    private limits(): HTMLElement[] {
        const { view, names, actions } = this;
        const { state, report } = view;
        const chips: HTMLElement[] = [];
        const chip = (kind: string, text: string, drop: () => void) =>
            chips.push(
                h(
                    "span",
                    { class: "chip", "data-chip": kind },
                    h("small", {}, kind),
                    h("span", {}, clip(text, 60)),
                    h(
                        "button",
                        { type: "button", "aria-label": `Drop ${kind} ${clip(text, 60)}`, title: "Drop", click: drop },
                        "\u00d7",
                    ),
                ),
            );
        if (state.focus !== null) chip("focus", names.label(state.focus), () => actions.focus(null));
        for (const frame of state.hidden) chip("hidden", names.label(frame), () => actions.unhide(frame));
        for (const dimension of DIMENSIONS) {
            const chosen = state.chosen[dimension];
            if (chosen !== null)
                chip(dimension, nameOf(report, dimension, chosen), () => actions.choose(dimension, null));
        }
        if (report.data.kind === "recording" && hasWindow(report, state)) {
            const { boundaries } = report.data;
            const text = `${duration(boundaries[state.from])} \u2013 ${duration(boundaries[state.until])}`;
            chip("window", text, () => actions.window(0, report.nSlices));
        }
        if (state.picked !== null) {
            const { grouping, frame } = state.picked;
            const text = {
                line: () => `${names.label(frame)} ${names.place(frame)}`,
                function: () => names.label(frame),
                file: () => report.fileName(frame) || "no file known",
                module: () => report.moduleName(frame) || "no module known",
            }[grouping]();
            chip("lit", text, () => actions.pick(null));
        }
        return chips;
    }

    private crumbs(): HTMLElement {
        const way = this.graph.way();
        const last = way.length - 1;
        const items: HTMLElement[] = [];
        way.forEach(({ trie, cell }, i) => {
            const isLeftOut = way.length > CRUMBS_MAX && i > 1 && i < last - CRUMBS_MAX + 3;
            if (isLeftOut) {
                if (i === 2) items.push(h("li", {}, "\u2026"));
                return;
            }
            const place = cell.parent === null ? null : this.view.placeOf(trie, cell);
            items.push(
                h(
                    "li",
                    {},
                    h(
                        "button",
                        {
                            type: "button",
                            class: "link",
                            "aria-current": i === last ? "true" : null,
                            click: () => this.actions.zoom(place, place),
                        },
                        clip(this.names.label(cell.frame), 48),
                    ),
                ),
            );
        });
        return h("nav", { "aria-label": "Zoomed to" }, h("ol", { class: "crumbs" }, ...items));
    }
}
