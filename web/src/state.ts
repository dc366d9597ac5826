/** What the reader of the page chose, and its form in the address: a link restores it. */
import type { Measure, Unit } from "./model/measure";
import { isChange, measuresOf } from "./model/measure";
import type { Report } from "./model/report";
import type { Chosen } from "./model/selection";
import { DIMENSIONS } from "./model/selection";

export type Colour = "module" | "kind" | "growth";
export type Shape = "icicle" | "flame";
export const TABS = ["line", "function", "file", "module", "thread", "label", "process", "domain", "detail"] as const;
export type Tab = (typeof TABS)[number];
export const COLUMNS = ["name", "before", "after", "self", "other", "total"] as const;
export type Column = (typeof COLUMNS)[number];

/** A cell of the graph, named so that it is found again: a node of the report's tree, and going up, how many visible frames outward. */
export interface Place {
    direction: "down" | "up";
    node: number;
    levels: number;
}

/** What a row of a table picked: its frames are lit in the graph. */
export interface Picked {
    grouping: "line" | "function" | "file" | "module";
    frame: number;
}

export interface State {
    measure: Measure;
    unit: Unit;
    /** Indices of boundaries. A window has from < until; [0, last] is no window. */
    moment: number;
    from: number;
    until: number;
    shape: Shape;
    inverted: boolean;
    byLine: boolean;
    plumbing: boolean;
    interpreter: boolean;
    /** null: as fits the measure. */
    colour: Colour | null;
    query: string;
    regex: boolean;
    /** Only stacks with a match are looked at. */
    only: boolean;
    focus: number | null;
    hidden: number[];
    zoom: Place | null;
    selected: Place | null;
    picked: Picked | null;
    chosen: Chosen;
    tab: Tab;
    sort: Column;
    ascending: boolean;
}

export function initialState(report: Report): State {
    const last = Math.max(0, report.data.boundaries.length - 1);
    return {
        measure: measuresOf(report)[0],
        unit: "bytes",
        moment: openingMoment(report),
        from: 0,
        until: last,
        shape: "icicle",
        inverted: false,
        byLine: false,
        plumbing: false,
        interpreter: false,
        colour: null,
        query: "",
        regex: false,
        only: false,
        focus: null,
        hidden: [],
        zoom: null,
        selected: null,
        picked: null,
        chosen: { domain: null, thread: null, label: null, process: null },
        tab: "line",
        sort: "self",
        ascending: false,
    };
}

/** The boundary of the moment that the report was asked for. */
export function openingMoment(report: Report): number {
    const { boundaries, origins, peakBoundary } = report.data;
    const asked = origins[0]?.momentNs ?? -1;
    // A mark can have the peak's time; the peak's own boundary is the one that its figures are of.
    if (boundaries[peakBoundary] === asked) return peakBoundary;
    return Math.max(0, boundaries.indexOf(asked));
}

export function hasWindow(report: Report, state: State): boolean {
    return state.from > 0 || state.until < report.nSlices;
}

export function shownColour(state: State): Colour {
    return state.colour ?? (isChange(state.measure) ? "growth" : "module");
}

/** Writes what differs from the initial state, e.g. `m=grew&w=1200000-5000000&q=json`. Moments are ns; `.1` is the second boundary of a time. */
export function toHash(report: Report, state: State): string {
    const initial = initialState(report);
    const words = new URLSearchParams();
    const at = (boundary: number) => fromBoundary(report.data.boundaries, boundary);
    const put = (name: string, value: string, usual: string) => {
        if (value !== usual) words.set(name, value);
    };
    put("m", state.measure, initial.measure);
    put("u", state.unit, initial.unit);
    put("at", at(state.moment), at(initial.moment));
    if (hasWindow(report, state)) words.set("w", `${at(state.from)}-${at(state.until)}`);
    put("shape", state.shape, initial.shape);
    for (const flag of FLAGS) put(FLAG_NAMES[flag], state[flag] ? "1" : "0", "0");
    put("colour", state.colour ?? "", "");
    put("q", state.query, "");
    put("focus", String(state.focus ?? ""), "");
    put("hide", state.hidden.join("."), "");
    put("zoom", fromPlace(state.zoom), "");
    put("select", fromPlace(state.selected), "");
    put("pick", state.picked === null ? "" : `${state.picked.grouping}.${state.picked.frame}`, "");
    for (const dimension of DIMENSIONS) put(dimension, String(state.chosen[dimension] ?? ""), "");
    put("tab", state.tab, initial.tab);
    put("sort", `${state.sort}${state.ascending ? ".up" : ""}`, initial.sort);
    return words.toString();
}

const FLAGS = ["inverted", "byLine", "plumbing", "interpreter", "regex", "only"] as const;
const FLAG_NAMES = {
    inverted: "inv",
    byLine: "lines",
    plumbing: "plumbing",
    interpreter: "interp",
    regex: "re",
    only: "only",
};

/** Reads a hash; what makes no sense in this report is passed over. */
export function fromHash(report: Report, hash: string): State {
    const state = initialState(report);
    const words = new URLSearchParams(hash.replace(/^#/, ""));
    const word = (name: string) => words.get(name) ?? "";
    const index = (name: string, n: number) => indexIn(word(name), n);
    state.measure = measuresOf(report).find((measure) => measure === word("m")) ?? state.measure;
    if (word("u") === "blocks") state.unit = "blocks";
    if (isTime(word("at"))) state.moment = toBoundary(report.data.boundaries, word("at"));
    const ends = word("w")
        .split("-")
        .map((end) => nearest(report.data.boundaries, Number(end)));
    if (words.has("w") && ends.length === 2 && ends[0] < ends[1]) [state.from, state.until] = ends;
    if (word("shape") === "flame") state.shape = "flame";
    for (const flag of FLAGS) state[flag] = word(FLAG_NAMES[flag]) === "1";
    state.colour = (["module", "kind", "growth"] as const).find((colour) => colour === word("colour")) ?? null;
    state.query = word("q");
    state.focus = index("focus", report.nFrames);
    state.hidden = word("hide")
        .split(".")
        .map((frame) => indexIn(frame, report.nFrames))
        .filter((frame) => frame !== null);
    state.zoom = toPlace(word("zoom"), report);
    state.selected = toPlace(word("select"), report);
    const [grouping, frame] = word("pick").split(".");
    const picked = indexIn(frame ?? "", report.nFrames);
    const known = (["line", "function", "file", "module"] as const).find((name) => name === grouping);
    if (picked !== null && known !== undefined) state.picked = { grouping: known, frame: picked };
    for (const dimension of DIMENSIONS) state.chosen[dimension] = index(dimension, namesOf(report, dimension).length);
    state.tab = TABS.find((tab) => tab === word("tab")) ?? state.tab;
    const [sort, up] = word("sort").split(".");
    state.sort = COLUMNS.find((column) => column === sort) ?? state.sort;
    state.ascending = up === "up";
    return state;
}

export function namesOf(report: Report, dimension: keyof Chosen): string[] {
    const { domains, threads, labels, processes } = report.data;
    return { domain: domains, thread: threads, label: labels, process: processes }[dimension];
}

export function nameOf(report: Report, dimension: keyof Chosen, index: number): string {
    return namesOf(report, dimension)[index] || (dimension === "label" ? "no label" : "not known");
}

function isTime(word: string): boolean {
    return /^\d{1,16}(\.\d{1,4})?$/.test(word);
}

function fromBoundary(boundaries: number[], boundary: number): string {
    const at = boundaries[boundary] ?? 0;
    const first = boundaries.indexOf(at);
    return first >= 0 && first < boundary ? `${at}.${boundary - first}` : String(at);
}

function toBoundary(boundaries: number[], word: string): number {
    const [at, more = "0"] = word.split(".");
    const found = nearest(boundaries, Number(at));
    const other = found + Number(more);
    return boundaries[other] === boundaries[found] ? other : found;
}

function indexIn(word: string, n: number): number | null {
    const index = /^\d{1,9}$/.test(word) ? Number(word) : -1;
    return index >= 0 && index < n ? index : null;
}

function fromPlace(place: Place | null): string {
    return place === null ? "" : `${place.direction}.${place.node}.${place.levels}`;
}

function toPlace(word: string, report: Report): Place | null {
    const [direction, node, levels] = word.split(".");
    const found = indexIn(node ?? "", report.nNodes);
    const outward = indexIn(levels ?? "", report.nNodes);
    if ((direction !== "down" && direction !== "up") || found === null || outward === null) return null;
    return { direction, node: found, levels: outward };
}

/** The index of the boundary nearest to a time. */
export function nearest(boundaries: number[], at: number): number {
    let best = 0;
    for (let i = 1; i < boundaries.length; i++) {
        if (Math.abs(boundaries[i] - at) < Math.abs(boundaries[best] - at)) best = i;
    }
    return best;
}
