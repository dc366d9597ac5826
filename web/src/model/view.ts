/** What the page shows of the report in a state. Each part is computed when it is first wanted, and again only if what it is made of changed. */
import { type Place, type State, shownColour } from "../state";
import { type Bars, bars } from "./histogram";
import { type Grouping, type Keys, keysOf } from "./keys";
import { bySite, ends, isOfWindow } from "./measure";
import type { Report } from "./report";
import { matcher, matchingFrames, SearchError } from "./search";
import { nodesBelow, nodesWithin, sitesOf } from "./selection";
import { outermostOf, type Row, rowsOfFrames, rowsOfSites } from "./table";
import { type Cell, Trie, wayTo } from "./trie";
import { isNothing, ownWeights, type SiteValues, sum, totalWeights, type Weights } from "./weights";

/** Remembers the last result beside what it was made of. */
class Memo<T> {
    private from: unknown[] | null = null;
    private result!: T;

    of(from: unknown[], make: () => T): T {
        if (this.from === null || from.some((part, i) => part !== this.from?.[i])) {
            this.result = make();
            this.from = from;
        }
        return this.result;
    }
}

export interface Tries {
    /** The one tree, or what a focused function calls. */
    main: Trie;
    /** Who calls a focused function. */
    callers: Trie | null;
}

export class View {
    private readonly keyTables = new Map<Grouping, Keys>();
    private readonly outermostNodes = new Map<Grouping, Uint8Array>();
    private readonly memo = {
        values: new Memo<SiteValues>(),
        found: new Memo<Uint8Array | null>(),
        foundNodes: new Memo<Uint8Array | null>(),
        focused: new Memo<Uint8Array | null>(),
        hidden: new Memo<Uint8Array>(),
        visible: new Memo<Uint8Array>(),
        kept: new Memo<Uint8Array>(),
        own: new Memo<Weights>(),
        total: new Memo<Weights>(),
        tries: new Memo<Tries>(),
        rows: new Memo<Row[]>(),
        lit: new Memo<Uint8Array | null>(),
        litKeys: new Memo<Uint8Array>(),
    };
    /** Why the search is none, or "". */
    searchError = "";

    constructor(
        readonly report: Report,
        public state: State,
    ) {}

    keys(grouping: Grouping): Keys {
        let keys = this.keyTables.get(grouping);
        if (keys === undefined) {
            keys = keysOf(this.report, grouping);
            this.keyTables.set(grouping, keys);
        }
        return keys;
    }

    /** Marks the nodes that add to the totals of a table. */
    private outermost(grouping: Grouping): Uint8Array {
        let outermost = this.outermostNodes.get(grouping);
        if (outermost === undefined) {
            outermost = outermostOf(this.report, this.keys(grouping));
            this.outermostNodes.set(grouping, outermost);
        }
        return outermost;
    }

    /** How the graph's frames are grouped. */
    graphKeys(): Keys {
        return this.keys(this.state.byLine ? "line" : "function");
    }

    values(): SiteValues {
        const { measure, unit, moment, from, until } = this.state;
        const withEnds = this.hasTwoMoments() || shownColour(this.state) === "growth";
        return this.memo.values.of([measure, unit, moment, from, until, withEnds], () => {
            const time = { moment, from, until };
            const value = bySite(this.report, measure, unit, time);
            const other = bySite(this.report, measure, unit === "bytes" ? "blocks" : "bytes", time);
            return { value, other, ...(withEnds ? ends(this.report, unit, time) : { before: null, after: null }) };
        });
    }

    /** Frames that the search found; null if nothing is searched. */
    found(): Uint8Array | null {
        const { query, regex } = this.state;
        return this.memo.found.of([query, regex], () => {
            this.searchError = "";
            try {
                const matches = matcher(query, regex);
                return matches === null ? null : matchingFrames(this.report, matches);
            } catch (error) {
                if (!(error instanceof SearchError)) throw error;
                this.searchError = error.message;
                return null;
            }
        });
    }

    /** Nodes with a match on their way from the root. */
    foundNodes(): Uint8Array | null {
        const found = this.found();
        return this.memo.foundNodes.of([found], () => (found === null ? null : nodesWithin(this.report, found)));
    }

    private focusedFrames(): Uint8Array | null {
        const { focus } = this.state;
        return this.memo.focused.of([focus], () => (focus === null ? null : this.framesLike("function", focus)));
    }

    /** Marks the frames with the key of `frame`. */
    framesLike(grouping: Grouping, frame: number): Uint8Array {
        const { of } = this.keys(grouping);
        return marked(of, (key) => key === of[frame]);
    }

    /** Frames that the reader hid. */
    private hidden(): Uint8Array {
        const { hidden } = this.state;
        return this.memo.hidden.of([hidden], () => {
            const { of } = this.keys("function");
            const keys = new Set(hidden.map((frame) => of[frame]));
            return marked(of, (key) => keys.has(key));
        });
    }

    /**
     * Nodes that the graph shows. One that is blamed stays whatever its frame is, unless the reader hid it: the graph leads to
     * what the tables name.
     */
    private visible(): Uint8Array {
        const { plumbing, interpreter } = this.state;
        const hidden = this.hidden();
        return this.memo.visible.of([hidden, plumbing, interpreter], () => {
            const { report } = this;
            const shown = hidden.map((is, frame) => {
                const isPlumbing = report.plumbing[frame] === 1;
                const isInterpreter = report.kind[frame] === KIND_INTERPRETER;
                return is || (isPlumbing && !plumbing) || (isInterpreter && !interpreter) ? 0 : 1;
            });
            const visible = marked(report.frameOf, (frame) => shown[frame] === 1);
            for (const node of report.sites.blamed) if (node > 0 && !hidden[report.frameOf[node]]) visible[node] = 1;
            return visible;
        });
    }

    /** Sites that are looked at. */
    kept(): Uint8Array {
        const { chosen, only } = this.state;
        const focused = this.focusedFrames();
        const found = only ? this.foundNodes() : null;
        return this.memo.kept.of([chosen, focused, found], () => {
            const nodes = found === null ? [] : [found];
            if (focused !== null) nodes.push(nodesWithin(this.report, focused));
            return sitesOf(this.report, chosen, nodes);
        });
    }

    private own(): Weights {
        const parts = [this.values(), this.kept()] as const;
        return this.memo.own.of([...parts], () => ownWeights(this.report, ...parts));
    }

    private total(): Weights {
        const own = this.own();
        return this.memo.total.of([own], () => totalWeights(this.report, own));
    }

    /** The sum of what is looked at. */
    sum(): number {
        return sum(this.values().value, this.kept());
    }

    sumOther(): number {
        return sum(this.values().other, this.kept());
    }

    /** What the shares in the graph are of: with changes, all growth and all shrinking together. */
    width(): number {
        return this.total().width[0] ?? 0;
    }

    /** The part of the sum that has a match in its stack; null if nothing is searched. */
    foundSum(): number | null {
        const nodes = this.foundNodes();
        if (nodes === null) return null;
        return sum(
            this.values().value,
            this.kept().map((kept, site) => kept & nodes[this.report.sites.node[site]]),
        );
    }

    tries(): Tries {
        const { inverted, focus } = this.state;
        const from = [this.total(), this.own(), this.graphKeys(), this.visible(), focus, inverted];
        return this.memo.tries.of(from, () => (focus === null ? this.wholeTree(inverted) : this.sandwich(focus)));
    }

    private wholeTree(inverted: boolean): Tries {
        if (!inverted) return { main: this.trie(this.total(), "down", [0], -1), callers: null };
        const own = this.own();
        const starts: number[] = [];
        for (let node = 0; node < this.report.nNodes; node++) if (!isNothing(own, node)) starts.push(node);
        return { main: this.trie(own, "up", starts, -1), callers: null };
    }

    /** A block counts once, by the outermost of the function's frames in its stack. */
    private sandwich(focus: number): Tries {
        const { parent, frameOf, nNodes } = this.report;
        const frames = this.focusedFrames() as Uint8Array;
        const within = nodesWithin(this.report, frames);
        const tops: number[] = [];
        for (let node = 1; node < nNodes; node++) {
            if (frames[frameOf[node]] && !within[parent[node]]) tops.push(node);
        }
        const total = this.total();
        return { main: this.trie(total, "down", tops, focus), callers: this.trie(total, "up", tops, focus) };
    }

    private trie(weights: Weights, direction: "down" | "up", starts: number[], frame: number): Trie {
        return new Trie(this.report, this.graphKeys(), this.visible(), weights, direction, starts, frame);
    }

    /** Names a cell so that the state can hold it. */
    placeOf(trie: Trie, cell: Cell): Place {
        const levels = trie.direction === "up" ? wayTo(cell).length : 0;
        return { direction: trie.direction, node: cell.nodes[0] ?? 0, levels };
    }

    /** Finds the cell of a place, or what is left of the way to it. */
    cellAt(place: Place): { trie: Trie; cell: Cell } {
        const { main, callers } = this.tries();
        const trie = main.direction === place.direction ? main : (callers ?? main);
        if (trie.direction !== place.direction) return { trie, cell: trie.root };
        return { trie, cell: trie.find(this.wayOf(trie, place)) };
    }

    private wayOf(trie: Trie, place: Place): number[] {
        const { of } = this.graphKeys();
        const { frameOf } = this.report;
        const visible = this.visible();
        const nodes = this.report.way(place.node);
        if (trie.root.frame >= 0) {
            const focused = this.focusedFrames() as Uint8Array;
            const top = nodes.findIndex((node) => focused[frameOf[node]]);
            if (top < 0) return [];
            nodes.splice(...(trie.direction === "down" ? ([0, top + 1] as const) : ([top, nodes.length] as const)));
        }
        const shown = nodes.filter((node) => visible[node]).map((node) => of[frameOf[node]]);
        return trie.direction === "down" ? shown : shown.reverse().slice(0, place.levels);
    }

    /** Whether a cell of the graph is lit: it has frames of several lines, perhaps, and those it was made of tell. */
    isLit(lit: Uint8Array, cell: Cell): boolean {
        if (lit[cell.frame] === 1) return true;
        const keys = this.graphKeys();
        const litKeys = this.memo.litKeys.of([lit, keys], () => {
            const marks = new Uint8Array(keys.n);
            for (let frame = 0; frame < lit.length; frame++) marks[keys.of[frame]] |= lit[frame];
            return marks;
        });
        const { frameOf } = this.report;
        return !this.state.byLine && litKeys[cell.key] === 1 && cell.at.some((node) => lit[frameOf[node]] === 1);
    }

    /** Frames to light in the graph: those of the picked row, else what the search found. */
    lit(): Uint8Array | null {
        const { picked } = this.state;
        const found = this.found();
        return this.memo.lit.of([picked, found], () =>
            picked === null ? found : this.framesLike(picked.grouping, picked.frame),
        );
    }

    rows(): Row[] {
        const { tab } = this.state;
        const hidden = this.hidden();
        return this.memo.rows.of([tab, this.total(), hidden], () => {
            if (tab === "detail") return [];
            if (tab === "thread" || tab === "label" || tab === "process" || tab === "domain") {
                return rowsOfSites(this.report, tab, this.values(), this.kept());
            }
            const [keys, outermost] = [this.keys(tab), this.outermost(tab)];
            return rowsOfFrames(this.report, keys, outermost, this.values(), this.kept(), this.total(), hidden);
        });
    }

    /** Kept sites whose blocks a cell stands for. */
    sitesUnder(trie: Trie, cell: Cell): Uint8Array {
        const kept = this.kept();
        if (cell === trie.root) return kept;
        const nodes =
            trie.direction === "down" || this.state.focus !== null
                ? nodesBelow(this.report, cell.nodes)
                : new Uint8Array(this.report.nNodes);
        if (trie.direction === "up" && this.state.focus === null) for (const node of cell.nodes) nodes[node] = 1;
        return kept.map((is, site) => is & nodes[this.report.sites.node[site]]);
    }

    histograms(sites: Uint8Array): { sizes: Bars; lifetimes: Bars } {
        return { sizes: bars(this.report.data.sizes, sites), lifetimes: bars(this.report.data.lifetimes, sites) };
    }

    /** Whether there is a before and an after: a difference, or a window of a recording. */
    hasTwoMoments(): boolean {
        const { report, state } = this;
        if (report.data.kind === "difference") return true;
        return report.data.kind === "recording" && isOfWindow(state.measure);
    }
}

const KIND_INTERPRETER = 2;

/** A mark for each of `numbers`; a loop, since `Uint8Array.from` goes through an iterator. */
function marked(numbers: Int32Array, is: (number: number) => boolean): Uint8Array {
    const marks = new Uint8Array(numbers.length);
    for (let i = 0; i < marks.length; i++) if (is(numbers[i])) marks[i] = 1;
    return marks;
}
