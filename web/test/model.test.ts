/** The model against plain sums over the rows of the data, written without any of its structures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReportData } from "../src/format";
import { layout } from "../src/model/layout";
import { errorOf, type Measure, type Unit } from "../src/model/measure";
import { Report } from "../src/model/report";
import type { Cell } from "../src/model/trie";
import { View } from "../src/model/view";
import { fromHash, initialState, type State, toHash } from "../src/state";
import { plusMinus } from "../src/ui/units";
import { makeReport } from "./maker";
import { eachCell, Random } from "./maker_parts";

const SEEDS = [1, 2, 3];

function viewOf(data: ReportData, change: Partial<State> = {}): View {
    const report = new Report(data);
    return new View(report, { ...initialState(report), ...change });
}

/** What each site has, by going through all cells each time. */
function naive(data: ReportData, measure: Measure, unit: Unit, moment: number, from: number, until: number): number[] {
    const { sites, cells } = data;
    const [start, after] =
        unit === "bytes" ? [sites.startBytes, sites.afterBytes] : [sites.startBlocks, sites.afterBlocks];
    if (measure === "before") return start;
    if (measure === "after") return after;
    if (measure === "difference") return start.map((value, i) => after[i] - value);
    const sums = measure === "live" ? [...start] : start.map(() => 0);
    const [a, f, t] =
        unit === "bytes"
            ? [cells.allocatedBytes, cells.freedBytes, cells.temporaryBytes]
            : [cells.allocatedBlocks, cells.freedBlocks, cells.temporaryBlocks];
    eachCell(cells, (cell, site, slice) => {
        const within = measure === "live" ? slice < moment : from <= slice && slice < until;
        if (!within) return;
        if (measure === "allocated") sums[site] += a[cell];
        else if (measure === "freed") sums[site] += f[cell];
        else if (measure === "temporary") sums[site] += t[cell];
        else sums[site] += a[cell] - f[cell];
    });
    return sums;
}

function framesOf(data: ReportData, node: number): number[] {
    const frames: number[] = [];
    for (let at = node; at > 0; at = data.nodes.parent[at]) frames.push(data.nodes.frame[at]);
    return frames;
}

function total(values: Iterable<number>): number {
    let sum = 0;
    for (const value of values) sum += value;
    return sum;
}

test("an estimate may be off by what samples of small blocks are off", () => {
    const data = makeReport({ seed: 1, nodes: 40, sites: 30, slices: 4 });
    assert.equal(errorOf(new Report(data), 1e9), 0);
    data.origins[0].sampleBytes = 1 << 19;
    assert.ok(errorOf(new Report(data), 1 << 26, 1) < 1, "a block that is always drawn");
    // Of a hundred samples a tenth, and twice that holds 95 of 100; with three more it is a little wider.
    const error = errorOf(new Report(data), 100 * (1 << 19));
    assert.ok(Math.abs(error / (100 * (1 << 19)) - (1.96 * Math.sqrt(103)) / 100) < 1e-9);
    assert.deepEqual(
        [plusMinus(error, 100 * (1 << 19)), plusMinus(7.08, 100), plusMinus(0, 9)],
        ["\u00b120%", "\u00b17.1%", ""],
    );
});

test("every measure of every site is the plain sum", () => {
    for (const seed of SEEDS) {
        const data = makeReport({ seed, nodes: 400, sites: 300, slices: 40 });
        const random = new Random(seed);
        for (let i = 0; i < 20; i++) {
            const [a, b, moment] = [random.below(41), random.below(41), random.below(41)];
            const [from, until] = [Math.min(a, b), Math.max(a, b)];
            for (const measure of ["live", "grew", "allocated", "freed", "temporary"] as const) {
                for (const unit of ["bytes", "blocks"] as const) {
                    const view = viewOf(data, { measure, unit, moment, from, until });
                    assert.deepEqual([...view.values().value], naive(data, measure, unit, moment, from, until));
                }
            }
        }
    }
    const difference = makeReport({ kind: "difference", nodes: 300 });
    for (const measure of ["difference", "before", "after"] as const) {
        assert.deepEqual(
            [...viewOf(difference, { measure }).values().value],
            naive(difference, measure, "bytes", 0, 0, 0),
        );
    }
});

test("what grows in a window is what lived at its end less what lived at its beginning", () => {
    const data = makeReport({ nodes: 500 });
    const { value, before, after } = viewOf(data, { measure: "grew", from: 17, until: 80 }).values();
    assert.ok(before !== null && after !== null);
    assert.deepEqual(
        [...value],
        [...after].map((bytes, i) => bytes - before[i]),
    );
});

test("tables: self by the blamed frame, in all once a stack however often a function is in it", () => {
    for (const seed of SEEDS) {
        const data = makeReport({ seed, nodes: 600, sites: 500 });
        const { frames, sites } = data;
        const values = naive(data, "live", "bytes", data.peakBoundary, 0, 0);
        for (const tab of ["line", "function", "file", "module"] as const) {
            const view = viewOf(data, { tab });
            const keys = view.keys(tab);
            const self = new Map<number, number>();
            const all = new Map<number, number>();
            sites.node.forEach((node, site) => {
                const add = (to: Map<number, number>, key: number) => to.set(key, (to.get(key) ?? 0) + values[site]);
                add(self, keys.of[data.nodes.frame[sites.blamed[site]]]);
                for (const key of new Set(framesOf(data, node).map((frame) => keys.of[frame]))) add(all, key);
            });
            const rows = view.rows();
            for (const row of rows) {
                assert.equal(row.self, self.get(row.key) ?? 0);
                assert.equal(row.total, all.get(row.key) ?? 0);
            }
            assert.equal(total(rows.map((row) => row.self)), total(values));
            const names = rows.map(({ frame }) =>
                [frames.function[frame], frames.file[frame], frames.line[frame], frames.module[frame]].join(),
            );
            assert.equal(new Set(names).size, rows.length, tab);
        }
    }
});

test("tables of threads, labels, processes, domains are sums by that column", () => {
    const data = makeReport({ nodes: 600 });
    const values = naive(data, "live", "blocks", data.peakBoundary, 0, 0);
    for (const tab of ["thread", "label", "process", "domain"] as const) {
        const rows = viewOf(data, { tab, unit: "blocks" }).rows();
        for (const row of rows) {
            assert.equal(row.self, total(values.filter((_, site) => data.sites[tab][site] === row.key)));
        }
    }
});

/** All cells of a tree that have something, each by its way of keys from the root. */
function ways(view: View, column: "value" | "other" | "before" | "after" | "width"): [string, number][] {
    const { main } = view.tries();
    const found: [string, number][] = [];
    const walk = (cell: Cell, way: string) => {
        if (cell[column] !== 0) found.push([way, cell[column]]);
        for (const child of main.children(cell)) walk(child, `${way}/${child.key}`);
    };
    walk(main.root, "");
    return found.sort();
}

/** The size of the change of each node, on the first of its sites. */
function naiveWidths(data: ReportData, values: number[]): number[] {
    const byNode = new Map<number, number>();
    data.sites.node.forEach((node, site) => {
        byNode.set(node, (byNode.get(node) ?? 0) + values[site]);
    });
    return data.sites.node.map((node, site) =>
        data.sites.node.indexOf(node) === site ? Math.abs(byNode.get(node) ?? 0) : 0,
    );
}

function naiveWays(data: ReportData, view: View, values: number[], inward: boolean): [string, number][] {
    const found = new Map<string, number>();
    const keys = view.graphKeys();
    const { plumbing, interpreter } = view.state;
    const blamed = new Set(data.sites.blamed);
    data.sites.node.forEach((node, site) => {
        const shown: number[] = [];
        for (let at = node; at > 0; at = data.nodes.parent[at]) {
            const frame = data.nodes.frame[at];
            const isUsual =
                (plumbing || !data.frames.plumbing[frame]) && (interpreter || data.frames.kind[frame] !== 2);
            if (isUsual || blamed.has(at)) shown.push(frame);
        }
        if (inward) shown.reverse();
        let way = "";
        for (const part of ["", ...shown.map((frame) => `/${keys.of[frame]}`)]) {
            way += part;
            found.set(way, (found.get(way) ?? 0) + values[site]);
        }
    });
    return [...found].filter(([, value]) => value !== 0).sort();
}

test("the graph has each way of visible frames once, with all that goes it: from outside and inverted", () => {
    for (const seed of SEEDS) {
        const data = makeReport({ seed, nodes: 300, sites: 250 });
        const [from, until] = [31, 77];
        for (const inverted of [false, true]) {
            for (const [plumbing, interpreter, byLine] of [
                [false, false, false],
                [true, true, false],
                [true, false, true],
            ]) {
                for (const measure of ["allocated", "grew"] as const) {
                    const view = viewOf(data, { measure, from, until, inverted, plumbing, interpreter, byLine });
                    const sums = (of: Measure, unit: Unit, moment = 0) => naive(data, of, unit, moment, from, until);
                    const values = sums(measure, "bytes");
                    const widths = naiveWays(data, view, naiveWidths(data, values), !inverted);
                    const isShown = new Set(widths.map(([way]) => way));
                    const expected = (of: number[]) =>
                        naiveWays(data, view, of, !inverted).filter(([way]) => isShown.has(way));
                    assert.deepEqual(ways(view, "width"), widths);
                    assert.deepEqual(ways(view, "value"), expected(values));
                    assert.deepEqual(ways(view, "other"), expected(sums(measure, "blocks")));
                    assert.deepEqual(ways(view, "before"), expected(sums("live", "bytes", from)));
                    assert.deepEqual(ways(view, "after"), expected(sums("live", "bytes", until)));
                }
            }
        }
    }
});

test("a focused function: below it what it calls, above it who calls it, each block once", () => {
    const data = makeReport({ seed: 5, nodes: 800, sites: 700 });
    const values = naive(data, "live", "bytes", data.peakBoundary, 0, 0);
    const functions = viewOf(data).keys("function");
    const rows = viewOf(data, { tab: "function" })
        .rows()
        .sort((a, b) => b.total - a.total);
    for (const { frame, key } of rows.slice(0, 12)) {
        const view = viewOf(data, { focus: frame });
        const within = data.sites.node.map((node) => framesOf(data, node).some((of) => functions.of[of] === key));
        const expected = total(values.filter((_, site) => within[site]));
        const { main, callers } = view.tries();
        assert.equal(main.root.value, expected);
        assert.equal(callers?.root.value, expected);
        assert.equal(view.sum(), expected);
    }
});

test("only what has a match is looked at, and its share is what a plain search finds", () => {
    const data = makeReport({ nodes: 700 });
    const values = naive(data, "live", "bytes", data.peakBoundary, 0, 0);
    for (const [query, regex] of [
        ["buffer", false],
        ["^app::(Node|Row)", true],
        ["a.b(", false],
        ["\\.py$", true],
    ] as const) {
        const pattern = regex ? new RegExp(query, "i") : null;
        const matches = (string: number) =>
            pattern?.test(data.strings[string]) ?? data.strings[string].toLowerCase().includes(query);
        const { function: name, file, module } = data.frames;
        const hit = (node: number) =>
            framesOf(data, node).some((f) => matches(name[f]) || matches(file[f]) || matches(module[f]));
        const expected = total(values.filter((_, site) => hit(data.sites.node[site])));
        assert.equal(viewOf(data, { query, regex }).foundSum(), expected);
        assert.equal(viewOf(data, { query, regex, only: true }).sum(), expected);
    }
    const broken = viewOf(data, { query: "(", regex: true });
    assert.equal(broken.found(), null);
    assert.notEqual(broken.searchError, "");
});

test("chosen threads and labels limit the sums", () => {
    const data = makeReport({ nodes: 700 });
    const values = naive(data, "live", "bytes", data.peakBoundary, 0, 0);
    const chosen = { domain: 0, thread: 2, label: null, process: null };
    const expected = total(values.filter((_, site) => data.sites.domain[site] === 0 && data.sites.thread[site] === 2));
    assert.equal(viewOf(data, { chosen }).sum(), expected);
});

test("boxes lie inside their parents', in order, and are as wide as their share", () => {
    const view = viewOf(makeReport({ nodes: 2000 }));
    const { main } = view.tries();
    const rows = layout(main, main.root, 1 / 3000);
    assert.ok(rows.length > 10);
    for (const [depth, row] of rows.entries()) {
        let last = 0;
        for (const box of row) {
            assert.ok(box.from >= last - 1e-12);
            last = box.until;
            if (box.cell === null || depth === 0) continue;
            assert.ok(Math.abs(box.until - box.from - box.cell.width / main.root.width) < 1e-12);
            const above = rows[depth - 1].find(({ cell }) => cell === box.cell?.parent);
            assert.ok(above && above.from <= box.from + 1e-12 && box.until <= above.until + 1e-12);
        }
    }
});

test("a place is found again in the same tree, and a way that is gone ends where it still is", () => {
    const data = makeReport({ nodes: 900 });
    for (const inverted of [false, true]) {
        const view = viewOf(data, { inverted });
        const { main } = view.tries();
        let cell = main.root;
        while (main.children(cell).length > 0) cell = main.children(cell)[0];
        const place = view.placeOf(main, cell);
        assert.equal(view.cellAt(place).cell, cell);
        view.state = { ...view.state, chosen: { ...view.state.chosen, thread: 1 } };
        assert.ok(view.cellAt(place).cell.width >= 0);
    }
});

test("histograms add the buckets of the sites up", () => {
    const data = makeReport({ nodes: 300 });
    const view = viewOf(data, { chosen: { domain: 1, thread: null, label: null, process: null } });
    const expected = new Map<number, number>();
    let at = 0;
    data.sizes.perSite.forEach((n, site) => {
        for (let i = 0; i < n; i++, at++) {
            if (data.sites.domain[site] !== 1) continue;
            expected.set(data.sizes.bucket[at], (expected.get(data.sizes.bucket[at]) ?? 0) + data.sizes.blocks[at]);
        }
    });
    const { sizes } = view.histograms(view.kept());
    sizes.blocks.forEach((n, bucket) => {
        assert.equal(n, expected.get(bucket) ?? 0);
    });
});

test("the address keeps the whole state, and nonsense in it is passed over", () => {
    const data = makeReport({ nodes: 300 });
    const report = new Report(data);
    const state: State = {
        ...initialState(report),
        measure: "freed",
        unit: "blocks",
        moment: 5,
        from: 10,
        until: 30,
        shape: "flame",
        inverted: true,
        byLine: true,
        plumbing: true,
        interpreter: true,
        colour: "kind",
        query: "a&b=c#\u00e4 <x>",
        regex: true,
        only: true,
        focus: 12,
        hidden: [5, 9],
        zoom: { direction: "up", node: 40, levels: 3 },
        selected: { direction: "down", node: 41, levels: 0 },
        picked: { grouping: "file", frame: 11 },
        chosen: { domain: 1, thread: 0, label: 2, process: 1 },
        tab: "thread",
        sort: "total",
        ascending: true,
    };
    assert.deepEqual(fromHash(report, `#${toHash(report, state)}`), state);
    assert.equal(toHash(report, initialState(report)), "");
    data.boundaries[6] = data.boundaries[5];
    for (const moment of [5, 6]) {
        const hash = toHash(report, { ...initialState(report), moment });
        assert.equal(fromHash(report, hash).moment, moment, `two boundaries of one time: ${hash}`);
    }
    const nonsense = "#m=x&at=zz&w=9-1&zoom=down.99999999.0&focus=-1&pick=line&domain=77&hide=a.b&tab=__proto__&sort=";
    assert.deepEqual(fromHash(report, nonsense), initialState(report));
});
