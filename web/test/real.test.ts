/**
 * Real recordings: at ten moments the page says what `tmtool stats` says, line by line. Needs the products: TM_PRODUCTS names the folder
 * that has tmtool and libtm.so, as for the tests of the workspace.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";
import type { Browser } from "playwright-core";
import type { ReportData } from "../src/format";
import { errorOf } from "../src/model/measure";
import { Report } from "../src/model/report";
import { View } from "../src/model/view";
import { initialState, toHash } from "../src/state";
import { blocks, bytes } from "../src/ui/units";
import { launch, on, settled, sum } from "./browser";

const products = process.env.TM_PRODUCTS;
const options = { skip: products === undefined && "TM_PRODUCTS names no folder with tmtool" };
const MOMENTS = 10;
const PYTHON = `
import json, os
kept = [json.loads(json.dumps({"id": i, "list": list(range(i % 30))})) for i in range(3000)]
if os.fork() == 0:
    more = [bytes(1000) for _ in range(500)]
    os._exit(0)
os.wait()
for i in range(200):
    line = "x" * 5000 + str(i)
del kept[::2]
`;

let folder: string;
let browser: Browser;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tm-real-"));
    if (products !== undefined) browser = await launch();
});

after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
});

interface Stats {
    snapshot: { size: number; count: number; origin: { moment_ns: number } };
    statistics: {
        size: number;
        count: number;
        traceback: { filename: string; lineno: number; function: string | null }[];
    }[];
}

function run(program: string, ...args: string[]): string {
    return execFileSync(program, args, {
        cwd: folder,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        maxBuffer: 2 ** 30,
    });
}

function tmtool(...args: string[]): string {
    return run(resolve(products ?? "", "tmtool"), ...args);
}

/** The peak as such: a mark may have its time. */
function stats(recording: string, data: ReportData, moment: number, key = "lineno"): Stats {
    const ns = data.boundaries[moment];
    const at = moment === data.peakBoundary ? "peak" : `${(ns / 1e9).toFixed(9)}s`;
    const found = JSON.parse(tmtool("stats", recording, "--at", at, "--key", key, "--limit", "0", "--json")) as Stats;
    assert.equal(found.snapshot.origin.moment_ns, ns);
    return found;
}

function dataOf(page: string): ReportData {
    const packed = /id="tm-data">([^<]*)</.exec(readFileSync(page, "utf8"))?.[1] ?? "";
    return JSON.parse(inflateRawSync(Buffer.from(packed, "base64")).toString()) as ReportData;
}

/** Sums by line, as `stats` groups them. */
function byLine(rows: [string, number, number, number][]): Map<string, [number, number]> {
    const sums = new Map<string, [number, number]>();
    for (const [file, line, size, count] of rows) {
        const [b, n] = sums.get(`${file}:${line}`) ?? [0, 0];
        if (size !== 0 || count !== 0) sums.set(`${file}:${line}`, [b + size, n + count]);
    }
    return new Map([...sums].sort());
}

type Rows = [string, number, number, number][];

/** At the peak, by function and by file. */
function compareOther(recording: string, report: Report): void {
    for (const [tab, key] of [
        ["function", "function"],
        ["file", "filename"],
    ] as const) {
        const view = new View(report, { ...initialState(report), tab });
        const name = (file: string, of: string | null) => (tab === "file" ? file : `${of ?? ""} ${file}`);
        const shown = view
            .rows()
            .map(({ frame, self, other }) => [
                name(report.fileName(frame), report.functionName(frame)),
                0,
                self,
                other,
            ]);
        const { statistics } = stats(recording, report.data, report.data.peakBoundary, key);
        const said = statistics.map(({ size, count, traceback: [{ filename, function: of }] }) => [
            name(filename, of),
            0,
            size,
            count,
        ]);
        assert.deepEqual(byLine(shown as Rows), byLine(said as Rows), `${recording} by ${key}`);
    }
}

/** Boundaries spread over the run, with the peak, the marks and both ends. */
function moments(data: ReportData): number[] {
    const last = data.boundaries.length - 1;
    const marks = data.marks.map(({ at }) => data.boundaries.indexOf(at));
    const chosen = new Set([0, last, data.peakBoundary, ...marks]);
    for (let i = 1; chosen.size < MOMENTS; i++) chosen.add(Math.floor((last * i) / MOMENTS));
    return [...chosen].sort((a, b) => a - b);
}

async function compare(recording: string): Promise<void> {
    const page = join(folder, `${recording}.html`);
    tmtool("report", recording, "-o", page);
    const data = dataOf(page);
    assert.ok(!data.notices.some(({ kind }) => kind === "folded"), "the programs are small enough to be whole");
    const report = new Report(data);
    const found = moments(data).map((moment) => ({ moment, stats: stats(recording, data, moment) }));
    for (const { moment, stats } of found) {
        const view = new View(report, { ...initialState(report), moment });
        const shown = view
            .rows()
            .map(({ frame, self, other }): [string, number, number, number] => [
                report.fileOrAddress(frame),
                report.line(frame),
                self,
                other,
            ]);
        const said = stats.statistics.map(({ size, count, traceback }): [string, number, number, number] => [
            traceback[0].filename,
            traceback[0].lineno,
            size,
            count,
        ]);
        assert.deepEqual(byLine(shown), byLine(said), `${recording} at ${data.boundaries[moment]} ns`);
    }
    compareOther(recording, report);
    await on(browser, pathToFileURL(page).href, async (opened) => {
        for (const { moment, stats } of found) {
            await opened.evaluate(
                (hash) => {
                    location.hash = hash;
                },
                toHash(report, { ...initialState(report), moment }),
            );
            const text = await sum(opened);
            const { size, count } = stats.snapshot;
            assert.ok(
                text.startsWith(`${bytes(size)} in ${blocks(count)} live`),
                `${text}; stats: ${size} in ${count}`,
            );
        }
    });
}

test("a C++ program with marks", options, async () => {
    const examples = resolve("../docs/examples");
    run("g++", "-g", "-O1", "-I", resolve("../api/include"), join(examples, "phases.cc"), "-o", join(folder, "phases"));
    tmtool("run", "-o", "phases.bin", "./phases");
    await compare("phases.bin");
});

test("a Python program that forks, with its objects", options, async () => {
    writeFileSync(join(folder, "forks.py"), PYTHON);
    tmtool("run", "--python-objects", "-o", "forks.bin", "/usr/bin/python3", "forks.py");
    await compare("forks.bin");
});

test(
    "a leak, a growth between two marks and a burst of temporary strings, as docs/guide.md finds them",
    options,
    async () => {
        const page = join(folder, "phases.bin.html");
        const data = dataOf(page);
        await on(browser, pathToFileURL(page).href, async (opened) => {
            const first = async () => {
                await settled(opened);
                return (await opened.locator("tbody tr[data-index]").first().locator(".name").textContent()) ?? "";
            };
            await opened.locator('[data-time="end"]').click();
            assert.match(await first(), /^read_body/);

            const box = await opened.locator('[data-view="timeline"]').boundingBox();
            assert.ok(box);
            const last = data.boundaries[data.boundaries.length - 1];
            const x = (name: string) =>
                box.x + 66 + ((data.marks.find((mark) => mark.name === name)?.at ?? 0) / last) * (box.width - 80);
            await opened.mouse.move(x("warm") + 3, box.y + 60);
            await opened.mouse.down();
            await opened.mouse.move((x("warm") + x("served")) / 2, box.y + 60);
            await opened.mouse.move(x("served") - 3, box.y + 60);
            await opened.mouse.up();
            assert.match(await first(), /^remember/);
            assert.match(await sum(opened), /grown from/);

            await opened.locator('[data-time="whole run"]').click();
            await opened.locator('[data-value="temporary"]').click();
            await opened.locator('[data-value="blocks"]').click();
            assert.match(await first(), /^format_line/);
        });
    },
);

test("a sampled program says in each row how far it may be off", options, async () => {
    const recording = "sampled.bin";
    tmtool(
        "run",
        "--sample",
        "4K",
        "-o",
        recording,
        "--",
        "/usr/bin/python3",
        "-c",
        PYTHON.replace(/if os.fork[\s\S]*os.wait\(\)/, ""),
    );
    const page = join(folder, "sampled.html");
    tmtool("report", recording, "-o", page, "--at", "peak");
    const said = JSON.parse(tmtool("stats", recording, "--at", "peak", "--limit", "0", "--json")) as {
        statistics: { size: number; count: number; estimate?: { size_error: number } }[];
    };
    const report = new Report(dataOf(page));
    const errors = said.statistics.map(({ size, count, estimate }) => [
        errorOf(report, size, count),
        estimate?.size_error ?? 0,
    ]);
    const both = [0, 1].map((which) => errors.reduce((sum, error) => sum + error[which], 0));
    // The page knows the mean size of a row's blocks alone, and their number rounded.
    assert.ok(both[1] > 0 && both[0] > 0.9 * both[1] && both[0] < 1.5 * both[1], String(errors));
    await on(browser, pathToFileURL(page).href, async (opened) => {
        await settled(opened);
        assert.match((await opened.locator("td.bar .error").first().textContent()) ?? "", /^\u00b1[0-9.]+%$/);
    });
});
