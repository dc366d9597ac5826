/** Paints rows of boxes on a canvas: only those rows that can be seen, in the screen's own pixels. */
import type { Box } from "../model/layout";
import type { Cell } from "../model/trie";

export const ROW_HEIGHT = 19;
const PADDING = 5;
/** Narrower than that, a box has no room for a letter. */
const TEXT_FROM = 24;

export interface Look {
    font: string;
    text: string;
    dim: string;
    surface: string;
    rest: string;
    lit: string;
    litText: string;
    outline: string;
}

export interface Row {
    boxes: Box[];
    /** The row's place from the top, in rows. */
    at: number;
}

export interface Scene {
    rows: Row[];
    look: Look;
    fill(cell: Cell): string;
    label(cell: Cell): string;
    /** null: nothing is lit, so nothing is dimmed either. */
    isLit: ((cell: Cell) => boolean) | null;
    selected: Cell | null;
    hovered: Cell | null;
}

export class Painter {
    private readonly context: CanvasRenderingContext2D;
    private readonly widths = new Map<string, number>();
    private font = "";

    constructor(readonly canvas: HTMLCanvasElement) {
        this.context = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
    }

    /** Makes the canvas as large as its place, in device pixels. */
    resize(width: number, height: number): void {
        const ratio = window.devicePixelRatio || 1;
        const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
        if (this.canvas.width !== w || this.canvas.height !== h) {
            this.canvas.width = w;
            this.canvas.height = h;
        }
        this.canvas.style.width = `${width}px`;
        this.canvas.style.height = `${height}px`;
        this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    }

    paint(scene: Scene, width: number, height: number, scrolled: number): void {
        const { context } = this;
        context.fillStyle = scene.look.surface;
        context.fillRect(0, 0, width, height);
        if (this.font !== scene.look.font) {
            this.font = scene.look.font;
            this.widths.clear();
        }
        context.font = this.font;
        context.textBaseline = "middle";
        for (const row of scene.rows) {
            const top = row.at * ROW_HEIGHT - scrolled;
            if (top < -ROW_HEIGHT || top > height) continue;
            for (const box of row.boxes) this.box(scene, box, width, top);
        }
    }

    private box(scene: Scene, box: Box, width: number, top: number): void {
        const { context } = this;
        const left = box.from * width;
        const room = box.until * width - left;
        // A gap between neighbours, as long as that leaves something of the box.
        const shown = room > 3 ? room - 1 : room;
        const { cell } = box;
        if (cell === null) {
            context.fillStyle = scene.look.rest;
            context.fillRect(left, top, shown, ROW_HEIGHT - 1);
            if (room > 70) this.text(`${box.n} small`, left, room, top, scene.look.dim);
            return;
        }
        const lit = scene.isLit?.(cell) ?? false;
        const dimmed = scene.isLit !== null && !lit;
        context.fillStyle = lit ? scene.look.lit : scene.fill(cell);
        context.globalAlpha = dimmed ? 0.35 : 1;
        context.fillRect(left, top, shown, ROW_HEIGHT - 1);
        context.globalAlpha = 1;
        if (room > TEXT_FROM) {
            this.text(
                scene.label(cell),
                left,
                room,
                top,
                lit ? scene.look.litText : dimmed ? scene.look.dim : scene.look.text,
            );
        }
        if (cell === scene.selected || cell === scene.hovered) {
            context.strokeStyle = scene.look.outline;
            context.lineWidth = cell === scene.selected ? 2 : 1;
            const inset = context.lineWidth / 2;
            context.strokeRect(left + inset, top + inset, Math.max(1, shown - 2 * inset), ROW_HEIGHT - 1 - 2 * inset);
        }
    }

    private text(label: string, left: number, room: number, top: number, colour: string): void {
        // What has scrolled out on the left needs no room: names begin where they can be read.
        const from = Math.max(left, 0);
        const fitted = this.fit(label, left + room - from - 2 * PADDING);
        if (fitted === "") return;
        this.context.fillStyle = colour;
        this.context.fillText(fitted, from + PADDING, top + ROW_HEIGHT / 2);
    }

    private width(text: string): number {
        let width = this.widths.get(text);
        if (width === undefined) {
            if (this.widths.size > 20_000) this.widths.clear();
            width = this.context.measureText(text).width;
            this.widths.set(text, width);
        }
        return width;
    }

    /** The text as far as it fits: the end of a name is what tells it from others, but its beginning is what is looked for. */
    private fit(text: string, room: number): string {
        const width = this.width(text);
        if (width <= room) return text;
        let n = Math.floor((text.length * room) / width) - 1;
        while (n > 1) {
            const cut = `${text.slice(0, n)}\u2026`;
            if (this.context.measureText(cut).width <= room) return cut;
            n--;
        }
        return "";
    }
}
