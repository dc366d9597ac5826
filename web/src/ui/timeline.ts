/** The time line: live bytes by domain, events per second, marks, processes' lives; a click picks a moment, a drag a window. */
import type { View } from "../model/view";
import { hasWindow, nearest } from "../state";
import type { Actions } from "./app";
import { h } from "./dom";
import { clip } from "./names";
import { cssColour, currentTheme } from "./theme";
import { type Chart, drawTimeline, LEFT, RIGHT } from "./timeline_chart";
import type { Tooltip } from "./tooltip";
import { brief, bytes, duration } from "./units";

/** So near to the peak or a mark, in pixels, these are meant. */
const NEAR = 7;
/** How many processes are named. */
const PROCESSES_MAX = 4;
/** What moves less than that is a click. */
const DRAG = 4;

export class Timeline {
    readonly element: HTMLElement;
    readonly canvas: HTMLCanvasElement;
    private readonly chart: Chart;
    private pressedAt: number | null = null;
    private dragged = false;
    private hoveredAt: number | null = null;

    constructor(
        private readonly view: View,
        private readonly tooltip: Tooltip,
        private readonly actions: Actions,
    ) {
        const { boundaries, lives } = view.report.data;
        this.canvas = h("canvas", {
            tabindex: 0,
            role: "slider",
            "aria-label": "Time line of live bytes. Left and right move the moment; with Shift they stretch a window.",
            "aria-valuemin": 0,
            "aria-valuemax": boundaries.length - 1,
            "data-view": "timeline",
        });
        this.element = h("section", { class: "timeline", "aria-label": "Time line" }, this.canvas);
        this.chart = {
            view,
            from: boundaries[0] ?? 0,
            until: Math.max(boundaries.at(-1) ?? 1, (boundaries[0] ?? 0) + 1),
            width: 0,
            nLives: lives.length > 1 ? Math.min(lives.length, 8) : 0,
        };
        this.listen();
    }

    private listen(): void {
        const { canvas } = this;
        new ResizeObserver(() => this.render()).observe(this.element);
        canvas.addEventListener("pointerdown", (event) => this.press(event));
        canvas.addEventListener("pointermove", (event) => this.move(event));
        canvas.addEventListener("pointerup", (event) => this.release(event));
        canvas.addEventListener("pointercancel", () => {
            this.pressedAt = null;
        });
        canvas.addEventListener("pointerleave", () => this.leave());
        canvas.addEventListener("dblclick", () => this.actions.window(0, this.view.report.nSlices));
        canvas.addEventListener("keydown", (event) => this.key(event));
    }

    private x(event: MouseEvent): number {
        return event.clientX - this.canvas.getBoundingClientRect().left;
    }

    private timeAt(x: number): number {
        const { from, until, width } = this.chart;
        return from + ((x - LEFT) / Math.max(1, width - LEFT - RIGHT)) * (until - from);
    }

    private xAt(time: number): number {
        const { from, until, width } = this.chart;
        return LEFT + ((time - from) / (until - from)) * (width - LEFT - RIGHT);
    }

    /** The boundary that is meant by a place: the peak or a mark if one is near, else the nearest. */
    private boundaryAt(x: number): number {
        const { boundaries, marks, peakBoundary } = this.view.report.data;
        let best = { boundary: nearest(boundaries, this.timeAt(x)), distance: NEAR };
        for (const boundary of [peakBoundary, ...marks.map(({ at }) => boundaries.indexOf(at))]) {
            const distance = Math.abs(this.xAt(boundaries[boundary] ?? -Infinity) - x);
            if (distance <= best.distance) best = { boundary, distance };
        }
        return best.boundary;
    }

    private press(event: PointerEvent): void {
        if (event.button !== 0) return;
        this.canvas.setPointerCapture(event.pointerId);
        this.pressedAt = this.x(event);
        this.dragged = false;
    }

    private move(event: PointerEvent): void {
        const x = this.x(event);
        this.hoveredAt = x;
        if (this.pressedAt !== null && (this.dragged || Math.abs(x - this.pressedAt) > DRAG)) {
            this.dragged = true;
            this.drag(this.pressedAt, x);
        }
        this.tip(event);
        this.draw();
    }

    private drag(a: number, b: number): void {
        const [from, until] = [this.boundaryAt(Math.min(a, b)), this.boundaryAt(Math.max(a, b))];
        if (from < until) this.actions.window(from, until);
    }

    private release(event: PointerEvent): void {
        if (this.pressedAt === null) return;
        if (!this.dragged) this.actions.moment(this.boundaryAt(this.x(event)));
        this.pressedAt = null;
    }

    private leave(): void {
        this.hoveredAt = null;
        this.tooltip.hide();
        this.draw();
    }

    private tip(event: PointerEvent): void {
        const { timeline, domains, marks } = this.view.report.data;
        if (timeline === null) return;
        const time = this.timeAt(this.x(event));
        const step = Math.floor((time - timeline.fromNs) / timeline.stepNs);
        if (step < 0 || step >= timeline.allocations.length) {
            this.tooltip.hide();
            return;
        }
        const lines = [`${duration(timeline.fromNs + step * timeline.stepNs, timeline.stepNs)}`];
        timeline.mostBytes.forEach((column, domain) => {
            if (column.length > 0) lines.push(`${clip(domains[domain], 40)}: ${bytes(column[step])}`);
        });
        const perSecond = 1e9 / timeline.stepNs;
        const rates = [timeline.allocations[step], timeline.frees[step]].map((n) => brief(n * perSecond));
        lines.push(`${rates[0]} allocations, ${rates[1]} frees a second`);
        for (const mark of marks) {
            if (Math.abs(this.xAt(mark.at) - this.x(event)) <= NEAR) lines.push(`mark: ${clip(mark.name, 80)}`);
        }
        lines.push(...this.processesAt(time));
        this.tooltip.show(lines, event);
    }

    private processesAt(time: number): string[] {
        const { lives, processes } = this.view.report.data;
        if (lives.length < 2) return [];
        const living = lives.filter(({ from, until }) => from <= time && time <= until);
        const names = living.slice(0, PROCESSES_MAX).map(({ process }) => clip(processes[process], 40));
        const more = living.length > names.length ? ` and ${living.length - names.length} more` : "";
        return names.length === 0 ? [] : [`processes: ${names.join(", ")}${more}`];
    }

    private key(event: KeyboardEvent): void {
        const { report, state } = this.view;
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        const last = report.nSlices;
        const clamp = (boundary: number) => Math.min(last, Math.max(0, boundary));
        if (event.key === "Home") this.actions.moment(0);
        else if (event.key === "End") this.actions.moment(last);
        else if (step !== 0 && event.shiftKey) {
            const from = hasWindow(report, state) ? state.from : state.moment;
            const until = clamp((hasWindow(report, state) ? state.until : state.moment) + step);
            if (from < until) this.actions.window(from, until);
        } else if (step !== 0) this.actions.moment(clamp(state.moment + step));
        else return;
        event.preventDefault();
    }

    render(): void {
        const { report, state } = this.view;
        this.canvas.setAttribute("aria-valuenow", String(state.moment));
        this.canvas.setAttribute("aria-valuetext", duration(report.data.boundaries[state.moment] ?? 0));
        this.draw();
    }

    private draw(): void {
        this.chart.width = this.element.clientWidth;
        if (this.chart.width > 0) drawTimeline(this.canvas, this.chart, this.hoveredAt, currentTheme(), cssColour);
    }
}
