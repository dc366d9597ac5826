/** Which colour a cell of the graph has: by its module, its kind, or how much it grew. */
import type { Report } from "../model/report";
import type { Cell } from "../model/trie";
import type { Colour } from "../state";
import { greyColour, growthColour, hueColour, type Theme } from "./theme";

export interface LegendEntry {
    colour: string;
    text: string;
}

const KINDS = ["native", "Python", "interpreter", "guessed", "folded"];
const KIND_HUES = [0, 1, 3, 4];
const KIND_PLACEHOLDER = 4;

export class Colours {
    /** The rank of each module, the one with the most frames first. */
    private readonly rank = new Map<number, number>();
    private readonly shades: Float32Array;

    constructor(private readonly report: Report) {
        const { function: name, file, module } = report.data.frames;
        const frames = new Map<number, number>();
        for (let node = 1; node < report.nNodes; node++) {
            const of = groupOf(report, report.frameOf[node]);
            frames.set(of, (frames.get(of) ?? 0) + 1);
        }
        [...frames]
            .sort((a, b) => b[1] - a[1] || a[0] - b[0])
            .forEach(([of], rank) => {
                this.rank.set(of, rank);
            });
        this.shades = Float32Array.from(name, (string, i) => (((string * 7 + file[i] + module[i]) % 5) - 2) / 2);
    }

    of(cell: Cell, colour: Colour, theme: Theme): string {
        const { frame } = cell;
        if (colour === "growth") return growthColour(growthOf(cell), theme);
        if (frame < 0) return greyColour(0, theme);
        const shade = this.shades[frame];
        const kind = this.report.kind[frame];
        if (kind === KIND_PLACEHOLDER) return greyColour(1, theme);
        if (colour === "module") return hueColour(this.rank.get(groupOf(this.report, frame)) ?? 0, shade, theme);
        return this.report.plumbing[frame] && kind === 0
            ? greyColour(-1 + shade / 2, theme)
            : hueColour(KIND_HUES[kind], shade, theme);
    }

    legend(colour: Colour, theme: Theme): LegendEntry[] {
        switch (colour) {
            case "growth":
                return [
                    { colour: growthColour(-1, theme), text: "shrank" },
                    { colour: growthColour(0, theme), text: "as before" },
                    { colour: growthColour(1, theme), text: "grew" },
                ];
            case "kind": {
                const present = new Set(this.report.kind);
                const kinds = KIND_HUES.map((hue, kind) => ({
                    colour: hueColour(hue, 0, theme),
                    text: KINDS[kind],
                    kind,
                }));
                const shown: LegendEntry[] = kinds.filter(({ kind }) => present.has(kind));
                if (this.report.plumbing.includes(1)) shown.push({ colour: greyColour(-1, theme), text: "plumbing" });
                return shown;
            }
            case "module":
                return [...this.rank].slice(0, 8).map(([of, rank]) => ({
                    colour: hueColour(rank, 0, theme),
                    text: this.report.string(of),
                }));
        }
    }
}

/** The string by which a frame is coloured: the module; of Python code, where there is none, the file. */
function groupOf(report: Report, frame: number): number {
    const { module, file } = report.data.frames;
    return module[frame] || file[frame];
}

/** From -1, all of it went, to 1, all of it is new. */
export function growthOf(cell: Cell): number {
    const most = Math.max(Math.abs(cell.before), Math.abs(cell.after));
    return most === 0 ? 0 : (cell.after - cell.before) / most;
}
