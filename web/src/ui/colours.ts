/** Which colour a cell of the graph has: by its module, its kind, or how much it grew. */
import type { Report } from "../model/report";
import type { Cell } from "../model/trie";
import type { Colour } from "../state";
import { baseName, clip } from "./names";
import { greyColour, growthColour, hueColour, type Theme } from "./theme";

export interface LegendEntry {
    colour: string;
    text: string;
}

const KINDS = ["native", "Python", "interpreter", "guessed", "folded"];
const KIND_HUES = [0, 1, 3, 4];
const KIND_PYTHON = 1;
const KIND_PLACEHOLDER = 4;
const LEGEND_MAX = 8;

export class Colours {
    /** The group of each frame, and the groups' names, the largest first. */
    private readonly group: Int32Array;
    private readonly names: string[];
    private readonly shades: Float32Array;

    constructor(private readonly report: Report) {
        const { function: name, file, module } = report.data.frames;
        const groups = Array.from(name, (_, frame) => groupOf(report, frame));
        const held = new Map<string, number>();
        const totals = heldByNode(report);
        for (let node = 1; node < report.nNodes; node++) {
            const of = groups[report.frameOf[node]];
            if (of !== "") held.set(of, (held.get(of) ?? 0) + totals[node]);
        }
        this.names = [...held].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([of]) => of);
        const rank = new Map(this.names.map((of, i) => [of, i]));
        this.group = Int32Array.from(groups, (of) => rank.get(of) ?? -1);
        this.shades = Float32Array.from(name, (string, i) => (((string * 7 + file[i] + module[i]) % 5) - 2) / 2);
    }

    of(cell: Cell, colour: Colour, theme: Theme): string {
        const { frame } = cell;
        if (colour === "growth") return growthColour(growthOf(cell), theme);
        if (frame < 0) return greyColour(0, theme);
        const shade = this.shades[frame];
        const kind = this.report.kind[frame];
        if (kind === KIND_PLACEHOLDER || this.group[frame] < 0) return greyColour(1, theme);
        if (colour === "module") return hueColour(this.group[frame], shade, theme);
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
                return this.names
                    .slice(0, LEGEND_MAX)
                    .map((text, rank) => ({ colour: hueColour(rank, 0, theme), text: clip(text, 40) }));
        }
    }
}

/** What a frame is coloured by: its module; of Python code the package, which is the folder of its file. */
function groupOf(report: Report, frame: number): string {
    const isPython = report.kind[frame] === KIND_PYTHON;
    const module = report.moduleName(frame);
    if (module !== "" && !isPython) return baseName(module);
    const file = report.fileName(frame);
    if (file.startsWith("<frozen ")) return "<frozen>";
    const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
    return baseName(folder) || file;
}

/** All that was ever held below each node. */
function heldByNode(report: Report): Float64Array {
    const { sites, cells } = report;
    const held = new Float64Array(report.nNodes);
    for (let site = 0; site < report.nSites; site++) {
        held[sites.node[site]] += sites.startBytes[site] + (sites.afterBytes[site] ?? 0);
    }
    for (let i = 0; i < cells.site.length; i++) held[sites.node[cells.site[i]]] += cells.allocatedBytes[i];
    for (let node = report.nNodes - 1; node > 0; node--) held[report.parent[node]] += held[node];
    return held;
}

/** From -1, all of it went, to 1, all of it is new. */
export function growthOf(cell: Cell): number {
    const most = Math.max(Math.abs(cell.before), Math.abs(cell.after));
    return most === 0 ? 0 : (cell.after - cell.before) / most;
}
