/** Makes reports up: programs with the shape of real ones, the same for the same seed. Every block that is freed was allocated before. */
import type { Cells, ReportData, Sites } from "../src/format";
import { eachCell, makeHistogram, makeSources, makeTimeline, noHistogram, peakOf, Random } from "./maker_parts";

export interface Wanted {
    seed?: number;
    kind?: ReportData["kind"];
    nodes?: number;
    sites?: number;
    slices?: number;
    /** How many cells each site has at most. */
    cells?: number;
    /** Put in front of names. */
    prefix?: string;
}

const VERBS = [
    "parse",
    "read",
    "build",
    "index",
    "decode",
    "load",
    "insert",
    "grow",
    "merge",
    "compile",
    "visit",
    "emit",
];
const NOUNS = [
    "Request",
    "Session",
    "Module",
    "Token",
    "Buffer",
    "Table",
    "Scope",
    "Node",
    "Image",
    "Cache",
    "Symbol",
    "Row",
];
const MODULES = [
    "/usr/bin/server",
    "/usr/lib/libcore.so.3",
    "/usr/lib/libstdc++.so.6",
    "/usr/lib/libc.so.6",
    "/usr/lib/libssl.so.3",
    "/usr/lib/libsqlite3.so.0",
];
const SECOND = 1e9;

class Strings {
    readonly list: string[] = [""];
    private readonly known = new Map<string, number>([["", 0]]);

    of(text: string): number {
        let index = this.known.get(text);
        if (index === undefined) {
            index = this.list.length;
            this.list.push(text);
            this.known.set(text, index);
        }
        return index;
    }
}

export function makeReport(wanted: Wanted = {}): ReportData {
    const {
        seed = 1,
        kind = "recording",
        nodes = 2000,
        sites = Math.ceil(nodes / 2),
        slices = 120,
        cells = 6,
        prefix = "",
    } = wanted;
    const random = new Random(seed);
    const strings = new Strings();
    const frames = makeFrames(random, strings, Math.max(40, Math.floor(nodes / 12)), prefix);
    const tree = makeTree(random, frames.function.length, nodes, frames.plumbing);
    const boundaries =
        kind === "recording"
            ? Array.from({ length: slices + 1 }, (_, i) => Math.round((i * 30 * SECOND) / slices))
            : [];
    const marks =
        kind === "recording"
            ? [2, 7].map((tenth) => ({
                  at: boundaries[Math.floor((slices * tenth) / 10)],
                  name: `${prefix}phase ${tenth}`,
              }))
            : [];
    const domains = ["heap", "mmap", "python"];
    const columns = makeSites(random, kind, tree, frames, sites);
    const cellColumns = kind === "recording" ? makeCells(random, sites, slices, cells) : noCells();
    const timeline = kind === "recording" ? makeTimeline(columns, cellColumns, boundaries, domains.length) : null;
    const peakBoundary = kind === "recording" ? peakOf(columns, cellColumns, slices) : -1;
    const data: ReportData = {
        version: 1,
        generator: "tmtool 0.1.0",
        kind,
        origins: [],
        notices: [
            {
                kind: "guessed",
                text: `${prefix}0.4 % of the bytes are of stacks with frames that were guessed by frame pointers.`,
            },
            { kind: "folded", text: `${prefix}1,204 stacks that hold less than 2.1 KiB each are shown as (small).` },
        ],
        strings: strings.list,
        frames,
        nodes: tree,
        domains,
        threads: ["main (4711)", "worker-1 (4712)", "worker-2 (4713)", "io (4714)"].map((name) => prefix + name),
        labels: ["", "startup", "request", "batch"].map((name) => (name === "" ? "" : prefix + name)),
        processes: ["server (4711)", "server (4790)"].map((name) => prefix + name),
        sites: columns,
        boundaries,
        cells: cellColumns,
        timeline,
        marks,
        lives:
            kind === "recording"
                ? [
                      { process: 0, from: 0, until: 30 * SECOND },
                      { process: 1, from: 9 * SECOND, until: 21 * SECOND },
                  ]
                : [],
        sizes: makeHistogram(random, sites, 24),
        lifetimes: {
            ...(kind === "recording" ? makeHistogram(random, sites, 7) : noHistogram()),
            limitsNs: [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
        },
        sources: [],
        peakBoundary,
    };
    data.sources = makeSources(data);
    data.origins = makeOrigins(data, prefix);
    return data;
}

function makeFrames(random: Random, strings: Strings, n: number, prefix: string): ReportData["frames"] {
    const frames: ReportData["frames"] = {
        function: [0],
        file: [0],
        line: [0],
        module: [0],
        kind: [4],
        plumbing: [0],
        inlined: [0],
    };
    frames.function[0] = strings.of("(small)");
    const add = (name: string, file: string, line: number, module: string, kind: number, plumbing = 0) => {
        frames.function.push(strings.of(prefix + name));
        frames.file.push(strings.of(prefix + file));
        frames.line.push(line);
        frames.module.push(strings.of(prefix + module));
        frames.kind.push(kind);
        frames.plumbing.push(plumbing);
        frames.inlined.push(random.next() < 0.15 ? 1 : 0);
    };
    add("operator new(unsigned long)", "", 0, "/usr/lib/libstdc++.so.6", 0, 1);
    add(
        "std::vector<unsigned char, std::allocator<unsigned char> >::_M_default_append(unsigned long)",
        "/usr/include/c++/12/bits/vector.tcc",
        640,
        "/usr/bin/server",
        0,
        1,
    );
    add(
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::_M_create(unsigned long&, unsigned long)",
        "",
        0,
        "/usr/lib/libstdc++.so.6",
        0,
        1,
    );
    while (frames.function.length < n) {
        const verb = random.pick(VERBS);
        const noun = random.pick(NOUNS);
        const line = 10 + random.below(900);
        const chance = random.next();
        if (chance < 0.2)
            add(`${verb}_${noun.toLowerCase()}`, `/srv/app/${random.pick(NOUNS).toLowerCase()}.py`, line, "", 1);
        else if (chance < 0.25) add("_PyEval_EvalFrameDefault", "Python/ceval.c", line, "/usr/bin/python3.11", 2);
        else if (chance < 0.3) add(`${verb}_${noun.toLowerCase()}`, "", 0, random.pick(MODULES), 3);
        else {
            const module = chance < 0.6 ? MODULES[0] : random.pick(MODULES);
            const name =
                random.next() < 0.4
                    ? `app::${noun}::${verb}(app::Context const&)`
                    : `app::detail::${verb}<app::${noun}, std::allocator<int> >(int)`;
            add(name, `/srv/src/${random.pick(NOUNS).toLowerCase()}.cc`, line, module, 0);
        }
    }
    return frames;
}

/** Deep in the middle, bushy at the top: most nodes hang on one of the last. */
function makeTree(random: Random, nFrames: number, n: number, plumbing: number[]): ReportData["nodes"] {
    const parent = [-1];
    const frame = [-1];
    const depth = [0];
    for (let node = 1; node < n; node++) {
        let above =
            node < 4 ? node - 1 : random.next() < 0.75 ? Math.max(0, node - 1 - random.below(30)) : random.below(node);
        // Nothing is below an allocator, and no stack is deeper than 70.
        while (above > 0 && (plumbing[frame[above]] || depth[above] > 70)) above = parent[above];
        parent.push(above);
        depth.push(depth[above] + 1);
        frame.push(random.next() < 0.08 ? 1 + random.below(3) : 4 + random.below(nFrames - 4));
    }
    return { parent, frame };
}

function makeSites(
    random: Random,
    kind: ReportData["kind"],
    tree: ReportData["nodes"],
    frames: ReportData["frames"],
    n: number,
): Sites {
    const sites: Sites = {
        node: [],
        domain: [],
        thread: [],
        label: [],
        process: [],
        blamed: [],
        startBytes: [],
        startBlocks: [],
        afterBytes: [],
        afterBlocks: [],
    };
    for (let site = 0; site < n; site++) {
        const node = 1 + random.below(tree.parent.length - 1);
        let blamed = node;
        while (tree.parent[blamed] > 0 && frames.plumbing[tree.frame[blamed]]) blamed = tree.parent[blamed];
        sites.node.push(node);
        sites.blamed.push(blamed);
        sites.domain.push(random.next() < 0.75 ? 0 : 1 + random.below(2));
        sites.thread.push(random.below(4));
        sites.label.push(random.next() < 0.6 ? 0 : 1 + random.below(3));
        sites.process.push(random.next() < 0.8 ? 0 : 1);
        const has = kind !== "recording" || random.next() < 0.02;
        const [blocks, bytes] = has ? some(random) : [0, 0];
        sites.startBlocks.push(blocks);
        sites.startBytes.push(bytes);
        if (kind !== "difference") continue;
        const chance = random.next();
        const [moreBlocks, moreBytes] = chance < 0.4 ? [blocks, bytes] : chance < 0.6 ? [0, 0] : some(random);
        sites.afterBlocks.push(moreBlocks);
        sites.afterBytes.push(moreBytes);
    }
    return sites;
}

/** A few sites have nearly everything, as in real programs. */
function some(random: Random): [number, number] {
    const blocks = 1 + Math.floor(random.next() ** 8 * 4000);
    return [blocks, blocks * (16 + Math.floor(random.next() ** 6 * 20_000))];
}

function noCells(): Cells {
    return {
        perSite: [],
        slice: [],
        allocatedBytes: [],
        allocatedBlocks: [],
        freedBytes: [],
        freedBlocks: [],
        temporaryBytes: [],
        temporaryBlocks: [],
    };
}

function makeCells(random: Random, nSites: number, nSlices: number, most: number): Cells {
    const cells = noCells();
    for (let site = 0; site < nSites; site++) {
        const n = 1 + random.below(most);
        const slices = [...new Set(Array.from({ length: n }, () => random.below(nSlices)))].sort((a, b) => a - b);
        cells.perSite.push(slices.length);
        let last = 0;
        let liveBlocks = 0;
        const [, bytes] = some(random);
        const size = Math.max(1, Math.floor(bytes / 40));
        slices.forEach((slice, i) => {
            cells.slice.push(i === 0 ? slice : slice - last);
            last = slice;
            const allocated = 1 + random.below(60);
            const freed = random.next() < 0.55 ? random.below(liveBlocks + allocated + 1) : 0;
            const temporary = random.below(Math.min(freed, allocated) + 1);
            liveBlocks += allocated - freed;
            cells.allocatedBlocks.push(allocated);
            cells.allocatedBytes.push(allocated * size);
            cells.freedBlocks.push(freed);
            cells.freedBytes.push(freed * size);
            cells.temporaryBlocks.push(temporary);
            cells.temporaryBytes.push(temporary * size);
        });
    }
    return cells;
}

function makeOrigins(data: ReportData, prefix: string): ReportData["origins"] {
    const origin = (path: string, moment: string, momentNs: number, live: [number, number]) => ({
        path: prefix + path,
        command: `${prefix}/usr/bin/server --listen 8080 --workers 4`,
        host: "build-7",
        startedMs: Date.UTC(2026, 4, 12, 9, 30),
        durationNs: 30 * SECOND,
        moment,
        momentNs,
        liveBytes: live[0],
        sampleBytes: 0,
        liveBlocks: live[1],
    });
    const sum = (column: number[]) => column.reduce((a, b) => a + b, 0);
    const { sites, boundaries, peakBoundary } = data;
    const start: [number, number] = [sum(sites.startBytes), sum(sites.startBlocks)];
    if (data.kind === "moment") return [origin("server.snap", "end", 30 * SECOND, start)];
    if (data.kind === "difference") {
        return [
            origin("old.bin", "peak", 12 * SECOND, start),
            origin("new.bin", "peak", 13 * SECOND, [sum(sites.afterBytes), sum(sites.afterBlocks)]),
        ];
    }
    const live: [number, number] = [...start];
    eachCell(data.cells, (cell, _, slice) => {
        if (slice >= peakBoundary) return;
        live[0] += data.cells.allocatedBytes[cell] - data.cells.freedBytes[cell];
        live[1] += data.cells.allocatedBlocks[cell] - data.cells.freedBlocks[cell];
    });
    return [origin("server.bin", "peak", boundaries[peakBoundary], live)];
}
