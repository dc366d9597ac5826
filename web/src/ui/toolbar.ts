/** The controls above the graph: what is measured, when, the search, and how the graph is drawn. */
import { isChange, isOfWindow, type Measure, measuresOf, type Unit } from "../model/measure";
import type { View } from "../model/view";
import { type Colour, hasWindow, type Shape, type State, shownColour } from "../state";
import type { Actions } from "./app";
import { h, segments, toggle } from "./dom";
import { clip } from "./names";
import { amount, blocks, bytes, duration, share, signed } from "./units";

const MEASURES: Record<Measure, [string, string]> = {
    live: ["Live", "What lived at the moment (1)"],
    grew: ["Grew", "What lived at the end of the window and not at its beginning, less what went (2)"],
    allocated: ["Allocated", "All that was allocated in the window, freed or not (3)"],
    freed: ["Freed", "What was freed in the window (4)"],
    temporary: ["Temporary", "What was freed at once in the window: before its thread's next allocation (5)"],
    difference: ["Difference", "What grew and what shrank from before to after (1)"],
    before: ["Before", "What lived before (2)"],
    after: ["After", "What lives after (3)"],
};

const FLAGS = {
    inverted: ["Inverted", "From the innermost function outward (i)"],
    byLine: ["Lines", "One cell a line instead of one a function (l)"],
    plumbing: ["Plumbing", "Show frames that allocate for others: allocators, containers (h)"],
    interpreter: ["Interpreter", "Show the interpreter's own frames (y)"],
} as const;
const COLOURS = [
    ["module", "Module", "Colour by module; Python code by package"],
    ["kind", "Kind", "Colour by kind of frame"],
    ["growth", "Growth", "Colour by growth: in the window, else in the whole run"],
] as const;
export type Flag = keyof typeof FLAGS | "regex" | "only";

export class Toolbar {
    readonly element: HTMLElement;
    readonly graphBar: HTMLElement;
    readonly search: HTMLInputElement;
    private readonly measure;
    private readonly unit;
    private readonly shape;
    private readonly colour;
    private readonly toggles = new Map<Flag, HTMLButtonElement>();
    private readonly sum = h("p", { class: "sum", role: "status" });
    private readonly matches = h("span", { class: "matches", role: "status" });

    constructor(
        private readonly view: View,
        actions: Actions,
    ) {
        const measures = measuresOf(view.report).map((measure) => [measure, ...MEASURES[measure]] as const);
        this.measure = segments<Measure>("Measure", measures, (measure) => actions.measure(measure));
        const units = [
            ["bytes", "Bytes", "Count bytes (b)"],
            ["blocks", "Blocks", "Count blocks (b)"],
        ] as const;
        this.unit = segments<Unit>("Unit", units, (unit) => actions.set({ unit }));
        const shapes = [
            ["icicle", "Icicle", "Callers on top (f)"],
            ["flame", "Flame", "Callers at the bottom (f)"],
        ] as const;
        this.shape = segments<Shape>("Direction", shapes, (shape) => actions.set({ shape }));
        const isMoment = view.report.data.kind === "moment";
        const colours = COLOURS.filter(([colour]) => !(isMoment && colour === "growth"));
        this.colour = segments<Colour>("Colour", colours, (colour) => actions.set({ colour }));
        this.search = h("input", {
            type: "search",
            placeholder: "Search functions, files, modules",
            "aria-label": "Search functions, files and modules",
            spellcheck: "false",
            autocomplete: "off",
            input: () => actions.search(this.search.value),
        });
        for (const flag of Object.keys(FLAGS) as (keyof typeof FLAGS)[]) {
            this.toggles.set(
                flag,
                toggle(FLAGS[flag][0], FLAGS[flag][1], flag, () => actions.flip(flag)),
            );
        }
        this.toggles.set(
            "regex",
            toggle(".*", "The search is a regular expression (r)", "regex", () => actions.flip("regex")),
        );
        this.toggles.set(
            "only",
            toggle("Only these", "Look at stacks with a match only (o)", "only", () => actions.flip("only")),
        );
        const find = h("div", { class: "find" }, this.search, this.button("regex"), this.button("only"), this.matches);
        this.element = h(
            "section",
            { class: "toolbar", "aria-label": "What is looked at" },
            h("div", { class: "choices" }, this.measure.element, this.unit.element, ...this.times(actions)),
            this.sum,
            find,
        );
        const flags = (Object.keys(FLAGS) as Flag[])
            .filter((flag) => this.isOfUse(flag))
            .map((flag) => this.button(flag));
        this.graphBar = h(
            "div",
            { class: "graph-bar" },
            this.shape.element,
            h("div", { class: "toggles", role: "group", "aria-label": "Frames" }, ...flags),
            h("span", { class: "by" }, "colour"),
            this.colour.element,
        );
    }

    private button(flag: Flag): HTMLButtonElement {
        return this.toggles.get(flag) as HTMLButtonElement;
    }

    private isOfUse(flag: Flag): boolean {
        if (flag === "plumbing") return this.view.report.plumbing.includes(1);
        return flag !== "interpreter" || this.view.report.kind.includes(2);
    }

    private times(actions: Actions): HTMLElement[] {
        const { report } = this.view;
        if (report.data.kind !== "recording") return [];
        const button = (text: string, title: string, act: () => void) =>
            h("button", { type: "button", class: "quiet", title, "data-time": text.toLowerCase(), click: act }, text);
        return [
            h(
                "div",
                { class: "times", role: "group", "aria-label": "Moments" },
                button("Peak", "The moment of most live bytes (p)", () => actions.moment(report.data.peakBoundary)),
                button("End", "The end of the recording (e)", () => actions.moment(report.nSlices)),
                button("Whole run", "No window (w)", () => actions.window(0, report.nSlices)),
            ),
        ];
    }

    render(): void {
        const { view } = this;
        const { state } = view;
        this.measure.show(state.measure);
        this.unit.show(state.unit);
        this.shape.show(state.shape);
        this.shape.element.hidden = state.focus !== null;
        this.colour.show(shownColour(state));
        for (const [flag, button] of this.toggles) button.setAttribute("aria-pressed", String(state[flag]));
        this.button("inverted").hidden = state.focus !== null;
        if (this.search.value !== state.query) this.search.value = state.query;
        this.sum.replaceChildren(...sentence(view));
        this.sum.title = this.sum.textContent ?? "";
        this.renderMatches();
    }

    private renderMatches(): void {
        const { view, search, matches } = this;
        const found = view.foundSum();
        search.setAttribute("aria-invalid", String(view.searchError !== ""));
        matches.classList.toggle("wrong", view.searchError !== "");
        if (view.searchError !== "") matches.textContent = clip(view.searchError, 120);
        else if (found === null) matches.textContent = "";
        else {
            const part = isChange(view.state.measure) ? "" : ` ${share(found, view.sum()) || "0.0%"}`;
            matches.textContent = `${amount(found, view.state.unit)}${part} with a match`;
        }
        matches.title = matches.textContent;
    }
}

/** `13.6 MiB in 13,003 blocks live at 14.9 ms (peak)`. */
function sentence(view: View): (string | HTMLElement)[] {
    const { state } = view;
    const other = view.sumOther();
    const [b, n] = state.unit === "bytes" ? [view.sum(), other] : [other, view.sum()];
    const change = isChange(state.measure);
    const figures = change ? `${signed(b, "bytes")}, ${signed(n, "blocks")} blocks` : `${bytes(b)} in ${blocks(n)}`;
    return [h("strong", {}, figures), ` ${said(view, state)}`];
}

function said(view: View, state: State): string {
    const words: Record<Measure, string> = {
        live: "live",
        grew: "grown",
        allocated: "allocated",
        freed: "freed",
        temporary: "freed at once",
        before: "before",
        after: "after",
        difference: "from before to after",
    };
    return `${words[state.measure]}${when(view, state)}`;
}

function when(view: View, state: State): string {
    const { report } = view;
    if (report.data.kind !== "recording") return "";
    const { boundaries, peakBoundary, marks } = report.data;
    const step = report.nSlices > 0 ? (boundaries[report.nSlices] - boundaries[0]) / 1000 : 0;
    const at = (boundary: number) => duration(boundaries[boundary], step);
    if (isOfWindow(state.measure)) {
        return hasWindow(report, state) ? ` from ${at(state.from)} to ${at(state.until)}` : " in the whole run";
    }
    const names = marks.filter((mark) => mark.at === boundaries[state.moment]).map((mark) => clip(mark.name, 40));
    if (state.moment === peakBoundary) names.unshift("peak");
    if (state.moment === report.nSlices) names.push("end");
    return ` at ${at(state.moment)}${names.length > 0 ? ` (${names.join(", ")})` : ""}`;
}
