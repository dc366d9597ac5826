/** Puts the page together: the one state, what may be done to it, and the parts that show it. */
import { isOfWindow, type Measure } from "../model/measure";
import type { Report } from "../model/report";
import type { Dimension } from "../model/selection";
import { wayTo } from "../model/trie";
import { View } from "../model/view";
import { type Column, fromHash, hasWindow, type Picked, type Place, type State, shownColour, toHash } from "../state";
import { Chips } from "./chips";
import { Colours } from "./colours";
import { Detail } from "./detail";
import { copy, h } from "./dom";
import { Graph, type Spot } from "./graph";
import { header, notices, selfCheck, titleOf } from "./header";
import { helpDialog } from "./help";
import { listenToKeys } from "./keyboard";
import { type Item, Menu } from "./menu";
import { Names } from "./names";
import { TablePanel } from "./table_panel";
import { Tabs } from "./tabs";
import { beginTheme, currentTheme, flipTheme } from "./theme";
import { Timeline } from "./timeline";
import { type Flag, Toolbar } from "./toolbar";
import { Tooltip } from "./tooltip";

/** Everything that the parts may ask for. */
export type Actions = App;

export class App {
    private readonly view: View;
    private readonly names: Names;
    private readonly colours: Colours;
    private readonly tooltip = new Tooltip();
    private readonly contextMenu = new Menu();
    private readonly dialog = helpDialog();
    private readonly status = h("p", { class: "unseen", role: "status" });
    private readonly legend = h("ul", { class: "legend", "aria-label": "Colours" });
    private readonly tabs: Tabs;
    private readonly toolbar: Toolbar;
    private readonly timeline: Timeline | null;
    private readonly graph: Graph;
    private readonly chips: Chips;
    private readonly table: TablePanel;
    private readonly detail: Detail;
    private isDrawing = false;

    constructor(
        private readonly report: Report,
        into: HTMLElement,
    ) {
        this.view = new View(report, fromHash(report, location.hash));
        this.names = new Names(report);
        this.colours = new Colours(report);
        this.toolbar = new Toolbar(this.view, this);
        this.timeline = report.data.kind === "recording" ? new Timeline(this.view, this.tooltip, this) : null;
        this.graph = new Graph(this.view, this.names, this.colours, this.tooltip, this);
        this.chips = new Chips(this.view, this.names, this.graph, this);
        this.table = new TablePanel(this.view, this.names, this);
        this.detail = new Detail(this.view, this.names, this);
        this.tabs = new Tabs(report, this);
        into.replaceChildren(...this.parts());
        document.title = `${titleOf(report)} \u2013 tm`;
        listenToKeys(this.view, this);
        window.addEventListener("popstate", () => this.restore());
        beginTheme(() => this.draw());
        this.render();
    }

    private parts(): Node[] {
        const buttons = h(
            "div",
            { class: "corner" },
            h(
                "button",
                {
                    type: "button",
                    title: "Dark or light (d)",
                    "aria-label": "Dark or light",
                    "data-button": "theme",
                    click: () => this.theme(),
                },
                "\u25d0",
            ),
            h(
                "button",
                {
                    type: "button",
                    title: "Keys (?)",
                    "aria-label": "Keys",
                    "data-button": "help",
                    click: () => this.help(),
                },
                "?",
            ),
        );
        const problem = selfCheck(this.report, (moment) => this.liveAt(moment));
        const graph = h(
            "section",
            { class: "graph-panel", "aria-label": "Graph of stacks" },
            this.toolbar.graphBar,
            this.chips.element,
            this.graph.element,
            this.legend,
        );
        const side = h(
            "section",
            { class: "side", "aria-label": "Tables and details" },
            this.tabs.element,
            this.table.element,
            this.detail.element,
        );
        const list = problem === null ? this.report.data.notices : [problem, ...this.report.data.notices];
        const all = [
            header(this.report, buttons),
            notices(list),
            this.timeline?.element ?? null,
            this.toolbar.element,
            h("main", {}, graph, side, this.contextMenu.element),
            this.tooltip.element,
            this.dialog,
            this.status,
        ];
        return all.filter((part) => part !== null);
    }

    private liveAt(moment: number): [number, number] {
        const { cells, sites } = this.report;
        const sums = [sites.startBytes.reduce((a, b) => a + b, 0), sites.startBlocks.reduce((a, b) => a + b, 0)];
        for (let i = 0; i < cells.slice.length; i++) {
            if (cells.slice[i] >= moment) continue;
            sums[0] += cells.allocatedBytes[i] - cells.freedBytes[i];
            sums[1] += cells.allocatedBlocks[i] - cells.freedBlocks[i];
        }
        return [sums[0], sums[1]];
    }

    /** Changes the state; all changes of one frame are drawn together. `isStep`: the browser's Back undoes it. */
    set(change: Partial<State>, isStep = false): void {
        this.view.state = { ...this.view.state, ...change };
        const hash = `#${toHash(this.report, this.view.state)}`;
        if (isStep) history.pushState(null, "", hash);
        else history.replaceState(null, "", hash);
        this.draw();
    }

    private restore(): void {
        this.view.state = fromHash(this.report, location.hash);
        this.draw();
    }

    private draw(): void {
        if (this.isDrawing) return;
        this.isDrawing = true;
        requestAnimationFrame(() => {
            this.isDrawing = false;
            this.render();
        });
    }

    private render(): void {
        const began = performance.now();
        const { state } = this.view;
        this.timeline?.render();
        this.toolbar.render();
        this.graph.render();
        this.chips.render();
        this.table.element.hidden = state.tab === "detail";
        this.detail.element.hidden = state.tab !== "detail";
        this.table.render();
        this.detail.render();
        this.tabs.show(state.tab);
        const entries = this.colours.legend(shownColour(state), currentTheme());
        this.legend.replaceChildren(
            ...entries.map(({ colour, text }) => {
                const swatch = h("i");
                swatch.style.background = colour;
                return h("li", {}, swatch, text);
            }),
        );
        performance.measure("render", { start: began, end: performance.now() });
    }

    moment(moment: number): void {
        const measure = isOfWindow(this.view.state.measure) ? "live" : this.view.state.measure;
        this.set({ moment: Math.max(0, moment), from: 0, until: this.report.nSlices, measure });
    }

    /** A window asks for what grew in it, unless another measure of windows is chosen. */
    window(from: number, until: number): void {
        const isWhole = from === 0 && until === this.report.nSlices;
        const measure = isOfWindow(this.view.state.measure) || isWhole ? this.view.state.measure : "grew";
        this.set({ from, until, measure });
    }

    measure(measure: Measure): void {
        const { state, report } = this.view;
        // What lived at a moment: of a window, at its end.
        const moment =
            measure === "live" && hasWindow(report, state) && isOfWindow(state.measure) ? state.until : state.moment;
        this.set({ measure, moment }, true);
    }

    flip(flag: Flag): void {
        this.set({ [flag]: !this.view.state[flag], ...(flag === "inverted" ? { zoom: null, selected: null } : {}) });
    }

    search(query: string): void {
        this.set({ query, picked: null });
    }

    focusSearch(): void {
        this.toolbar.search.focus();
        this.toolbar.search.select();
    }

    zoom(zoom: Place | null, selected: Place | null): void {
        this.set({ zoom, selected }, true);
    }

    zoomTo(spot: Spot): void {
        const place = spot.cell.parent === null ? null : this.view.placeOf(spot.trie, spot.cell);
        this.zoom(place, place);
    }

    select(selected: Place | null): void {
        this.set({ selected });
    }

    focus(frame: number | null): void {
        this.set({ focus: frame, zoom: null, selected: null, picked: null, inverted: false }, true);
    }

    hide(frame: number): void {
        if (frame >= 0) this.set({ hidden: [...this.view.state.hidden, frame], selected: null }, true);
    }

    unhide(frame: number): void {
        this.set({ hidden: this.view.state.hidden.filter((hidden) => hidden !== frame) }, true);
    }

    pick(picked: Picked | null): void {
        this.set({ picked });
    }

    choose(dimension: Dimension, value: number | null): void {
        this.set({ chosen: { ...this.view.state.chosen, [dimension]: value } }, true);
    }

    sort(sort: Column): void {
        const { state } = this.view;
        this.set({ sort, ascending: state.sort === sort ? !state.ascending : false });
    }

    theme(): void {
        flipTheme();
        this.draw();
    }

    help(): void {
        this.dialog.showModal();
    }

    say(text: string): void {
        this.status.textContent = text;
    }

    /** Takes back the last limit: search, lit row, choice, zoom, focus. */
    back(): void {
        const { state, report } = this.view;
        this.tooltip.hide();
        if (state.query !== "") this.set({ query: "", only: false });
        else if (state.picked !== null) this.pick(null);
        else if (state.zoom !== null) {
            const { trie, cell } = this.view.cellAt(state.zoom);
            const outer = cell.parent;
            this.zoom(outer === null || outer.parent === null ? null : this.view.placeOf(trie, outer), null);
        } else if (state.selected !== null) this.select(null);
        else if (state.focus !== null) this.focus(null);
        else if (hasWindow(report, state)) this.window(0, report.nSlices);
    }

    ofSelected(what: "focus" | "hide" | "copy"): void {
        const { selected } = this.view.state;
        if (selected === null) return;
        const spot = this.view.cellAt(selected);
        if (what === "copy") this.copyStack(spot);
        else if (spot.cell.frame >= 0) this[what](spot.cell.frame);
    }

    copyStack(spot: Spot): void {
        const frames = wayTo(spot.cell).map((cell) => cell.frame);
        if (spot.trie.direction === "up") frames.reverse();
        if (spot.trie.root.frame >= 0)
            spot.trie.direction === "up" ? frames.push(spot.trie.root.frame) : frames.unshift(spot.trie.root.frame);
        void copy(`${this.names.traceback(frames)}\n`).then(() => this.say("The stack is on the clipboard."));
    }

    menu(spot: Spot, x: number, y: number): void {
        const { frame } = spot.cell;
        const place = spot.cell.parent === null ? null : this.view.placeOf(spot.trie, spot.cell);
        this.set({ selected: place });
        const items: Item[] = [{ text: "Zoom to this", key: "Enter", act: () => this.zoom(place, place) }];
        if (frame >= 0) {
            items.push(
                { text: "Focus: callers and callees", key: "s", act: () => this.focus(frame) },
                { text: "Hide this function", key: "x", act: () => this.hide(frame) },
                {
                    text: "Search for its name",
                    key: "",
                    act: () => this.set({ query: this.names.label(frame), regex: false, picked: null }),
                },
                { text: "Copy the stack", key: "c", act: () => this.copyStack(spot) },
                {
                    text: "Details: source, sizes, lifetimes",
                    key: "",
                    act: () => this.set({ tab: "detail", selected: place }),
                },
            );
        }
        this.contextMenu.open(this.names.whole(frame), items, x, y);
    }
}
