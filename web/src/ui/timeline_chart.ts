/** Draws the time line; knows nothing of events. */
import type { View } from "../model/view";
import { hasWindow } from "../state";
import { clip } from "./names";
import { areaColour, type Theme } from "./theme";
import { duration, roundBytes } from "./units";

export const LEFT = 66;
export const RIGHT = 14;
const TOP = 16;
const AREA = 84;
const GAP = 4;
const EVENTS = 24;
const LIFE = 6;
const AXIS = 18;

export interface Chart {
    view: View;
    from: number;
    until: number;
    width: number;
    nLives: number;
}

type Css = (name: string) => string;

class Pen {
    readonly context: CanvasRenderingContext2D;
    readonly height: number;

    constructor(
        canvas: HTMLCanvasElement,
        readonly chart: Chart,
        readonly theme: Theme,
        readonly css: Css,
    ) {
        const ratio = window.devicePixelRatio || 1;
        this.height = TOP + AREA + GAP + EVENTS + chart.nLives * LIFE + AXIS;
        canvas.width = Math.round(chart.width * ratio);
        canvas.height = Math.round(this.height * ratio);
        canvas.style.width = `${chart.width}px`;
        canvas.style.height = `${this.height}px`;
        this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
        this.context.scale(ratio, ratio);
        this.context.font = `10.5px ${css("--sans")}`;
    }

    x(time: number): number {
        const { from, until, width } = this.chart;
        return LEFT + ((time - from) / (until - from)) * (width - LEFT - RIGHT);
    }

    fill(colour: string, x: number, y: number, width: number, height: number): void {
        this.context.fillStyle = colour;
        this.context.fillRect(x, y, width, height);
    }

    text(text: string, x: number, y: number, align: CanvasTextAlign, colour: string): void {
        this.context.textAlign = align;
        this.context.textBaseline = "middle";
        this.context.fillStyle = colour;
        this.context.fillText(text, x, y);
    }
}

export function drawTimeline(
    canvas: HTMLCanvasElement,
    chart: Chart,
    hovered: number | null,
    theme: Theme,
    css: Css,
): void {
    const pen = new Pen(canvas, chart, theme, css);
    const most = stackedMost(chart.view);
    const top = niceAbove(most);
    drawGrid(pen, top);
    drawAreas(pen, top);
    drawEvents(pen);
    drawLives(pen);
    drawAxis(pen);
    drawMarks(pen);
    drawSelection(pen);
    drawLegend(pen);
    if (hovered !== null && hovered >= LEFT && hovered <= chart.width - RIGHT) {
        pen.fill(css("--dim"), Math.round(hovered), TOP, 1, AREA + GAP + EVENTS);
    }
}

function stackedMost(view: View): number {
    const timeline = view.report.data.timeline;
    if (timeline === null) return 0;
    let most = 0;
    for (let step = 0; step < timeline.allocations.length; step++) {
        let sum = 0;
        for (const column of timeline.mostBytes) sum += column[step] ?? 0;
        most = Math.max(most, sum);
    }
    return most;
}

/** A round number of bytes not below `most`: 1, 2, 4, 8 of a tenth of a unit, or of it. */
function niceAbove(most: number): number {
    let unit = 1;
    while (unit * 1024 <= most) unit *= 1024;
    for (const step of [1, 1.5, 2, 3, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1024]) {
        if (step * unit >= most) return step * unit;
    }
    return Math.max(1, most);
}

function drawGrid(pen: Pen, top: number): void {
    const grid = pen.css("--grid");
    for (const part of [0, 0.5, 1]) {
        const y = Math.round(TOP + AREA * (1 - part));
        pen.fill(grid, LEFT, y, pen.chart.width - LEFT - RIGHT, 1);
        pen.text(part === 0 ? "0" : roundBytes(top * part), LEFT - 8, y + 0.5, "right", pen.css("--dim"));
    }
}

function drawAreas(pen: Pen, top: number): void {
    const timeline = pen.chart.view.report.data.timeline;
    if (timeline === null) return;
    const n = timeline.allocations.length;
    const base = new Float64Array(n);
    timeline.mostBytes.forEach((column, domain) => {
        if (column.length === 0) return;
        const y = (value: number) => TOP + AREA * (1 - value / top);
        const { context } = pen;
        context.beginPath();
        // Steps, since a step's figure holds for all of it.
        for (let step = 0; step < n; step++) {
            const level = y(base[step] + column[step]);
            context.lineTo(pen.x(timeline.fromNs + step * timeline.stepNs), level);
            context.lineTo(pen.x(timeline.fromNs + (step + 1) * timeline.stepNs), level);
        }
        for (let step = n - 1; step >= 0; step--) {
            context.lineTo(pen.x(timeline.fromNs + (step + 1) * timeline.stepNs), y(base[step]));
            context.lineTo(pen.x(timeline.fromNs + step * timeline.stepNs), y(base[step]));
            base[step] += column[step];
        }
        context.fillStyle = areaColour(domain, pen.theme);
        context.globalAlpha = 0.78;
        context.fill();
        context.globalAlpha = 1;
    });
}

/** Which colour is which domain, where there are several. */
function drawLegend(pen: Pen): void {
    const { timeline, domains } = pen.chart.view.report.data;
    const shown = (timeline?.mostBytes ?? []).flatMap((column, domain) =>
        column.some((most) => most > 0) ? [domain] : [],
    );
    if (shown.length < 2) return;
    const names = shown.map((domain) => clip(domains[domain], 24));
    const widths = names.map((name) => 16 + pen.context.measureText(name).width + 12);
    let x = LEFT + 8;
    pen.context.globalAlpha = 0.8;
    pen.fill(
        pen.css("--surface"),
        x - 4,
        TOP + 4,
        widths.reduce((a, b) => a + b, 0),
        18,
    );
    pen.context.globalAlpha = 1;
    shown.forEach((domain, i) => {
        pen.fill(areaColour(domain, pen.theme), x, TOP + 9, 9, 9);
        pen.text(names[i], x + 14, TOP + 14, "left", pen.css("--dim"));
        x += widths[i];
    });
}

function drawEvents(pen: Pen): void {
    const timeline = pen.chart.view.report.data.timeline;
    if (timeline === null) return;
    const { allocations, frees, fromNs, stepNs } = timeline;
    const most = Math.max(1, ...allocations, ...frees);
    const middle = TOP + AREA + GAP + EVENTS / 2;
    const half = EVENTS / 2 - 1;
    const up = pen.css("--events-up");
    const down = pen.css("--events-down");
    for (let step = 0; step < allocations.length; step++) {
        const x = pen.x(fromNs + step * stepNs);
        const width = Math.max(0.6, pen.x(fromNs + (step + 1) * stepNs) - x);
        // Roots: a burst would flatten all else.
        const [a, f] = [allocations[step], frees[step]].map((n) => Math.sqrt(n / most) * half);
        if (a > 0) pen.fill(up, x, middle - Math.max(a, 0.5), width, Math.max(a, 0.5));
        if (f > 0) pen.fill(down, x, middle, width, Math.max(f, 0.5));
    }
    pen.text("allocs", LEFT - 8, middle - half / 2, "right", pen.css("--dim"));
    pen.text("frees", LEFT - 8, middle + half / 2 + 1, "right", pen.css("--dim"));
}

function drawLives(pen: Pen): void {
    const { lives, processes } = pen.chart.view.report.data;
    const top = TOP + AREA + GAP + EVENTS;
    for (let i = 0; i < pen.chart.nLives; i++) {
        const life = lives[i];
        const x = pen.x(Math.max(life.from, pen.chart.from));
        const width = Math.max(2, pen.x(Math.min(life.until, pen.chart.until)) - x);
        pen.fill(pen.css("--life"), x, top + i * LIFE + 1, width, LIFE - 2);
    }
    if (pen.chart.nLives === 0) return;
    const more = lives.length > pen.chart.nLives ? ` of ${lives.length}` : "";
    const label = `${Math.min(pen.chart.nLives, processes.length)}${more} proc.`;
    pen.text(label, LEFT - 8, top + (pen.chart.nLives * LIFE) / 2, "right", pen.css("--dim"));
}

function drawAxis(pen: Pen): void {
    const { from, until, width } = pen.chart;
    const n = Math.max(2, Math.floor((width - LEFT - RIGHT) / 110));
    const step = niceStep((until - from) / n);
    const y = pen.height - AXIS / 2;
    for (let time = Math.ceil(from / step) * step; time <= until; time += step) {
        const x = Math.round(pen.x(time));
        pen.fill(pen.css("--grid"), x, TOP, 1, pen.height - AXIS - TOP + 3);
        if (x < width - RIGHT - 20) pen.text(time === 0 ? "0" : duration(time, step), x, y, "center", pen.css("--dim"));
    }
}

function niceStep(rough: number): number {
    const ten = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
    const times = rough / ten;
    return ten * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/** The peak and marks: a line and, as long as there is room, a name. */
function drawMarks(pen: Pen): void {
    const { marks, boundaries, peakBoundary } = pen.chart.view.report.data;
    const flags = marks.map(({ at, name }) => ({ at, name: clip(name, 28), colour: pen.css("--mark") }));
    const peak = boundaries[peakBoundary];
    if (peak !== undefined) flags.push({ at: peak, name: "peak", colour: pen.css("--peak") });
    flags.sort((a, b) => a.at - b.at);
    let taken = -Infinity;
    for (const { at, name, colour } of flags) {
        const x = Math.round(pen.x(at));
        pen.context.setLineDash([3, 2]);
        pen.context.strokeStyle = colour;
        pen.context.lineWidth = 1;
        pen.context.beginPath();
        pen.context.moveTo(x + 0.5, TOP - 4);
        pen.context.lineTo(x + 0.5, TOP + AREA);
        pen.context.stroke();
        pen.context.setLineDash([]);
        const room = pen.context.measureText(name).width;
        const left = Math.min(x - room / 2, pen.chart.width - room - 2);
        if (left < taken + 8) continue;
        pen.text(name, left, 6, "left", colour);
        taken = left + room;
    }
}

/** The window, with all else behind a veil, or the moment. */
function drawSelection(pen: Pen): void {
    const { report, state } = pen.chart.view;
    const { boundaries } = report.data;
    const [left, right] = [LEFT, pen.chart.width - RIGHT];
    const height = pen.height - AXIS - TOP;
    const accent = pen.css("--accent");
    if (hasWindow(report, state)) {
        const [from, until] = [pen.x(boundaries[state.from]), pen.x(boundaries[state.until])];
        pen.fill(pen.css("--veil"), left, TOP, from - left, height);
        pen.fill(pen.css("--veil"), until, TOP, right - until, height);
        pen.fill(pen.css("--brush"), from, TOP, until - from, height);
        for (const x of [from, until]) pen.fill(accent, Math.round(x) - 1, TOP - 2, 2, height + 2);
        return;
    }
    const x = Math.round(pen.x(boundaries[state.moment] ?? 0));
    pen.fill(accent, x - 1, TOP - 2, 2, height + 2);
    pen.context.beginPath();
    pen.context.arc(x, TOP - 3, 4, 0, 2 * Math.PI);
    pen.context.fillStyle = accent;
    pen.context.fill();
}
