/** The flame graph, icicle, or sandwich of a focused function: a canvas that shows the part of the tree that is scrolled to. */
import { type Box, boxAt, layout } from "../model/layout";
import { isChange } from "../model/measure";
import type { Cell, Trie } from "../model/trie";
import { wayTo } from "../model/trie";
import type { View } from "../model/view";
import { type Place, shownColour } from "../state";
import type { Actions } from "./app";
import type { Colours } from "./colours";
import { h } from "./dom";
import { graphKey } from "./graph_keys";
import type { Names } from "./names";
import { Painter, ROW_HEIGHT, type Row, type Scene } from "./painter";
import { cssColour, currentTheme } from "./theme";
import { cellTip, type Tooltip } from "./tooltip";
import { figure, share, signed } from "./units";

interface Part {
    trie: Trie;
    row: Row;
}

export interface Spot {
    trie: Trie;
    cell: Cell;
}

/** Half a pixel, as a share of the width. */
const NARROWEST = 0.5;

export class Graph {
    readonly element: HTMLElement;
    readonly canvas: HTMLCanvasElement;
    private readonly scroller: HTMLElement;
    private readonly spacer: HTMLElement;
    private readonly painter: Painter;
    private parts: Part[] = [];
    private nRows = 0;
    private centre = 0;
    private hovered: Cell | null = null;
    private selected: Spot | null = null;
    private laidOut: unknown[] = [];

    constructor(
        private readonly view: View,
        private readonly names: Names,
        private readonly colours: Colours,
        private readonly tooltip: Tooltip,
        private readonly actions: Actions,
    ) {
        this.canvas = h("canvas", {
            tabindex: 0,
            role: "application",
            "aria-roledescription": "flame graph",
            "aria-describedby": "graph-help",
            "data-view": "graph",
        });
        this.spacer = h("div", { class: "spacer" });
        this.scroller = h("div", { class: "scroller" }, this.canvas, this.spacer);
        const help =
            "Arrow keys walk through the stacks, Enter zooms, Escape goes back. The tables have the same numbers as text.";
        this.element = h("div", { class: "graph" }, this.scroller, h("p", { id: "graph-help", class: "unseen" }, help));
        this.painter = new Painter(this.canvas);
        this.listen();
    }

    private listen(): void {
        const { canvas } = this;
        this.scroller.addEventListener("scroll", () => this.paint());
        new ResizeObserver(() => this.render()).observe(this.scroller);
        canvas.addEventListener("pointermove", (event) => this.hover(event));
        canvas.addEventListener("pointerleave", () => this.leave());
        canvas.addEventListener("click", (event) => this.click(event));
        canvas.addEventListener("contextmenu", (event) => {
            const spot = this.spotAt(event);
            if (spot === null) return;
            event.preventDefault();
            this.tooltip.hide();
            this.actions.menu(spot, event.clientX, event.clientY);
        });
        canvas.addEventListener("keydown", (event) => {
            const from = this.selected ?? this.rootSpot();
            const spot = graphKey(event, from, this.actions, this.grows(from.trie));
            if (spot === null) return;
            event.preventDefault();
            this.actions.select(this.view.placeOf(spot.trie, spot.cell));
            this.reveal(spot.cell);
        });
    }

    /** Where the rows of a part go from its root. */
    private grows(trie: Trie): "up" | "down" {
        const { main, callers } = this.view.tries();
        if (callers !== null) return trie === main ? "down" : "up";
        return this.view.state.shape === "flame" ? "up" : "down";
    }

    private rootSpot(): Spot {
        const { main } = this.view.tries();
        return { trie: main, cell: this.zoomed(main) };
    }

    private zoomed(trie: Trie): Cell {
        const { zoom } = this.view.state;
        if (zoom === null || zoom.direction !== trie.direction) return trie.root;
        return this.view.cellAt(zoom).cell;
    }

    render(): void {
        const { view } = this;
        const width = this.scroller.clientWidth;
        if (width === 0) return;
        const { main, callers } = view.tries();
        const from = [main, callers, view.state.zoom, view.state.shape, width];
        if (from.some((part, i) => part !== this.laidOut[i])) {
            const isNew = this.laidOut[0] !== main && (this.laidOut[4] === undefined || callers !== this.laidOut[1]);
            const isTurned = this.laidOut[3] !== view.state.shape;
            this.laidOut = from;
            this.place(main, callers, NARROWEST / width);
            this.spacer.style.height = `${this.nRows * ROW_HEIGHT}px`;
            if (isNew || isTurned) this.scrollHome();
        }
        this.selected = view.state.selected === null ? null : this.view.cellAt(view.state.selected);
        if (this.selected !== null && this.selected.cell === this.selected.trie.root) this.selected = null;
        this.paint();
    }

    private place(main: Trie, callers: Trie | null, narrowest: number): void {
        const down = layout(main, this.zoomed(main), narrowest);
        const up = callers === null ? [] : layout(callers, this.zoomed(callers), narrowest);
        // A callers' row of the zoomed cell itself is the focused function's, and stands below already.
        const above = callers !== null && this.zoomed(callers) === callers.root ? up.slice(1) : up;
        this.nRows = down.length + above.length;
        this.centre = above.length;
        const turned = this.grows(main) === "up";
        const at = (depth: number) => (turned ? this.nRows - 1 - depth : this.centre + depth);
        this.parts = down.map((boxes, depth) => ({ trie: main, row: { boxes, at: at(depth) } }));
        if (callers === null) return;
        for (const [i, boxes] of above.entries()) {
            this.parts.push({ trie: callers, row: { boxes, at: this.centre - 1 - i } });
        }
    }

    private scrollHome(): void {
        const { callers } = this.view.tries();
        const room = this.scroller.clientHeight;
        if (callers !== null) this.scroller.scrollTop = (this.centre + 0.5) * ROW_HEIGHT - room / 2;
        else this.scroller.scrollTop = this.view.state.shape === "flame" ? this.nRows * ROW_HEIGHT : 0;
    }

    private reveal(cell: Cell): void {
        for (const { row } of this.parts) {
            if (!row.boxes.some((box) => box.cell === cell)) continue;
            const top = row.at * ROW_HEIGHT;
            const { scrollTop, clientHeight } = this.scroller;
            if (top < scrollTop) this.scroller.scrollTop = top;
            else if (top + ROW_HEIGHT > scrollTop + clientHeight)
                this.scroller.scrollTop = top + ROW_HEIGHT - clientHeight;
        }
    }

    paint(): void {
        const { clientWidth, clientHeight, scrollTop } = this.scroller;
        this.painter.resize(clientWidth, clientHeight);
        this.painter.paint(this.scene(), clientWidth, clientHeight, scrollTop);
        this.canvas.setAttribute("aria-label", this.described());
    }

    private described(): string {
        const { state } = this.view;
        const what = this.selected === null ? "all" : this.names.whole(this.selected.cell.frame);
        const value = figure(this.selected?.cell.value ?? this.view.sum(), state.unit);
        return `${state.focus !== null ? "Callers and callees" : state.inverted ? "Inverted graph" : "Graph"} of stacks; ${what}: ${value}`;
    }

    private scene(): Scene {
        const { view, colours } = this;
        const theme = currentTheme();
        const colour = shownColour(view.state);
        const lit = view.lit();
        const { unit } = view.state;
        const change = isChange(view.state.measure);
        return {
            rows: this.parts.map(({ row }) => row),
            look: {
                font: `11.5px ${cssColour("--sans")}`,
                text: cssColour("--cell-text"),
                dim: cssColour("--dim"),
                surface: cssColour("--surface"),
                rest: cssColour("--rest"),
                lit: cssColour("--lit"),
                litText: cssColour("--lit-text"),
                outline: cssColour("--text"),
            },
            fill: (cell) => colours.of(cell, colour, theme),
            label: (cell) => {
                const value = change ? signed(cell.value, unit) : figure(cell.value, unit);
                return `${this.cellName(cell)}  ${value}${cell.frame < 0 ? "" : ` ${share(cell.width, view.width())}`}`;
            },
            isLit: lit === null ? null : (cell) => cell.frame >= 0 && view.isLit(lit, cell),
            selected: this.selected?.cell ?? null,
            hovered: this.hovered,
        };
    }

    private cellName(cell: Cell): string {
        const { view, names } = this;
        if (cell.frame < 0) return "all";
        return view.state.byLine ? `${names.label(cell.frame)} ${names.place(cell.frame)}` : names.label(cell.frame);
    }

    private boxAtEvent(event: MouseEvent): { trie: Trie; box: Box } | null {
        const bounds = this.canvas.getBoundingClientRect();
        const at = Math.floor((event.clientY - bounds.top + this.scroller.scrollTop) / ROW_HEIGHT);
        const part = this.parts.find(({ row }) => row.at === at);
        const box = part && boxAt(part.row.boxes, (event.clientX - bounds.left) / bounds.width);
        return part && box ? { trie: part.trie, box } : null;
    }

    private spotAt(event: MouseEvent): Spot | null {
        const found = this.boxAtEvent(event);
        return found === null || found.box.cell === null ? null : { trie: found.trie, cell: found.box.cell };
    }

    private hover(event: PointerEvent): void {
        const found = this.boxAtEvent(event);
        const cell = found?.box.cell ?? null;
        if (found === null) this.tooltip.hide();
        else if (cell === null) this.tooltip.show([`${found.box.n} cells, each too narrow to be drawn`], event);
        else this.tooltip.show(cellTip(this.view, this.names, found.trie, cell), event);
        this.canvas.style.cursor = cell === null ? "default" : "pointer";
        if (cell !== this.hovered) {
            this.hovered = cell;
            this.paint();
        }
    }

    private leave(): void {
        this.tooltip.hide();
        this.hovered = null;
        this.paint();
    }

    /** A click zooms; on the cell that is zoomed to already, it zooms out by one. */
    private click(event: MouseEvent): void {
        const spot = this.spotAt(event);
        if (spot === null) return;
        const isZoomed = spot.cell === this.zoomed(spot.trie);
        const to = isZoomed ? (spot.cell.parent ?? spot.cell) : spot.cell;
        const place: Place | null = to.parent === null ? null : this.view.placeOf(spot.trie, to);
        this.actions.zoom(place, spot.cell.parent === null ? null : this.view.placeOf(spot.trie, spot.cell));
    }

    /** The cells from the root to the one that is zoomed to. */
    way(): Spot[] {
        const { main, callers } = this.view.tries();
        const trie = this.view.state.zoom?.direction === callers?.direction && callers !== null ? callers : main;
        return [trie.root, ...wayTo(this.zoomed(trie))].map((cell) => ({ trie, cell }));
    }
}
