/**
 * What the page costs at its largest, or a page that is given: `npm run bench [-- PAGE.html]`. The bounds are those of the page's promise, and hold for the time that the
 * page's thread computed: what passes beside it is another program's on a busy machine.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { launch, open, press, settled } from "./browser";
import { embed, Pages } from "./embed";
import { makeReport } from "./maker";

const OPEN_MS = 1000;
const ANSWER_MS = 100;
const MIB = 1024 * 1024;

const pages = new Pages();
const browser = await launch();
const given = process.argv[2];
const url = given === undefined ? largest() : pathToFileURL(resolve(given)).href;
const { page } = await open(browser, "about:blank", {}, true);
const session = await page.context().newCDPSession(page);
await session.send("Performance.enable");

/** What the page's thread has computed until now, in ms. */
async function computed(): Promise<number> {
    const { metrics } = await session.send("Performance.getMetrics");
    return 1000 * (metrics.find(({ name }) => name === "ThreadTime")?.value ?? Number.NaN);
}

await page.goto(url);
await page.waitForFunction(() => document.documentElement.dataset.ready !== undefined);
await settled(page);
let failed = report("opens", await computed(), await wall("ready"), OPEN_MS);

const steps: [string, (page: Page) => Promise<void>][] = [
    ["another moment", (p) => press(p, "[")],
    ["allocated in the whole run", (p) => press(p, "3")],
    ["blocks", (p) => press(p, "b")],
    ["search", (p) => p.locator("input[type=search]").fill("session")],
    ["search, one letter more", (p) => p.locator("input[type=search]").fill("session:")],
    ["only what matches", (p) => p.locator('[data-toggle="only"]').click()],
    ["everything again", (p) => press(p, "Escape")],
    ["plumbing shown", (p) => p.locator('[data-toggle="plumbing"]').click()],
    ["one cell a line", (p) => press(p, "l")],
    ["inverted", (p) => press(p, "i")],
    ["from outside again", (p) => press(p, "i")],
    ["table of functions", (p) => p.locator('[data-tab="function"]').click()],
    ["one row lit", (p) => p.locator("tbody tr[data-index]").first().click()],
    ["focus on it", (p) => p.locator("tbody tr[data-index]").first().dblclick()],
    ["no focus", (p) => press(p, "Escape", "Escape")],
    ["zoom", (p) => p.locator('[data-view="graph"]').click({ position: { x: 100, y: 28 } })],
    ["details", (p) => p.locator('[data-tab="detail"]').click()],
    ["modules", (p) => p.locator('[data-tab="module"]').click()],
    ["one module lit", (p) => p.locator("tbody tr[data-index]").first().click()],
];
for (const [name, act] of steps) {
    await page.evaluate(() => performance.clearMeasures());
    const before = await computed();
    await act(page);
    await settled(page);
    failed = report(name, (await computed()) - before, await wall("render"), ANSWER_MS) || failed;
}
await browser.close();
pages.remove();
process.exitCode = failed ? 1 : 0;

/** How long it was until a mark, or what the longest of measures took. */
function wall(name: string): Promise<number> {
    return page.evaluate(
        (of) =>
            Math.max(0, ...performance.getEntriesByName(of).map(({ duration, startTime }) => duration || startTime)),
        name,
    );
}

function report(name: string, ms: number, passed: number, most: number): boolean {
    const over = ms > most;
    console.log(
        `${name.padEnd(28)} ${ms.toFixed(0).padStart(5)} ms (passed ${passed.toFixed(0)} ms)${over ? `: more than ${most}` : ""}`,
    );
    return over;
}

function largest(): string {
    const data = makeReport({ seed: 11, nodes: 100_000, sites: 70_000, slices: 250, cells: 6 });
    const size = embed(data).length / MIB;
    const columns = [data.nodes.parent, data.sites.node, data.cells.slice].map(({ length }) => length);
    console.log(`${columns[0]} nodes, ${columns[1]} sites, ${columns[2]} cells, ${size.toFixed(1)} MiB of HTML`);
    return pages.write("large.html", data);
}
