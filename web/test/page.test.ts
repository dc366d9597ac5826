/** The page in a real browser: what a reader does, and that the figures on the screen are the plain sums. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import type { ReportData } from "../src/format";
import { amount, blocks, bytes, signed } from "../src/ui/units";
import { launch, on as onPage, press, settled, sum } from "./browser";
import { Pages } from "./embed";
import { makeReport } from "./maker";
import { eachCell } from "./maker_parts";

const pages = new Pages();
const data = makeReport({ seed: 7, nodes: 2500 });
let browser: Browser;
let url: string;

before(async () => {
    browser = await launch();
    url = pages.write("recording.html", data);
});

after(async () => {
    await browser?.close();
    pages.remove();
});

const on = (address: string, act: (page: Page) => Promise<void>, options?: BrowserContextOptions) =>
    onPage(browser, address, act, options);

function liveAt(report: ReportData, boundary: number): [number, number] {
    const add = (column: number[]) => column.reduce((a, b) => a + b, 0);
    const live: [number, number] = [add(report.sites.startBytes), add(report.sites.startBlocks)];
    const { cells } = report;
    eachCell(cells, (cell, _, slice) => {
        if (slice >= boundary) return;
        live[0] += cells.allocatedBytes[cell] - cells.freedBytes[cell];
        live[1] += cells.allocatedBlocks[cell] - cells.freedBlocks[cell];
    });
    return live;
}

function liveText(report: ReportData, boundary: number): string {
    const [b, n] = liveAt(report, boundary);
    return `${bytes(b)} in ${blocks(n)} live`;
}

/** Where on the time line a boundary stands, in pixels of the page. */
async function timelineX(page: Page, boundary: number): Promise<{ x: number; y: number }> {
    const box = await page.locator('[data-view="timeline"]').boundingBox();
    assert.ok(box);
    const { boundaries } = data;
    const share = (boundaries[boundary] - boundaries[0]) / (boundaries[boundaries.length - 1] - boundaries[0]);
    return { x: box.x + 66 + share * (box.width - 66 - 14), y: box.y + 60 };
}

async function drag(page: Page, from: number, until: number): Promise<void> {
    const [a, b] = [await timelineX(page, from), await timelineX(page, until)];
    await page.mouse.move(a.x, a.y);
    await page.mouse.down();
    await page.mouse.move((a.x + b.x) / 2, a.y);
    await page.mouse.move(b.x, b.y);
    await page.mouse.up();
}

/** What the table on the screen says, row by row; of figures with a share the figure. */
async function rows(page: Page): Promise<string[][]> {
    await settled(page);
    return page
        .locator("tbody tr[data-index]")
        .evaluateAll((list) =>
            list.map((row) =>
                [...row.children].map((cell) => (cell.querySelector(".share + span") ?? cell).textContent ?? ""),
            ),
        );
}

test("opens at the moment of the report, with what is to be known and the exact sum", () =>
    on(url, async (page) => {
        assert.match(await page.title(), /^server . tm$/);
        assert.ok((await sum(page)).startsWith(liveText(data, data.peakBoundary)), await sum(page));
        const notices = await page.locator(".notices li").allTextContents();
        assert.equal(notices.length, data.notices.length);
        for (const notice of data.notices) assert.ok(notices.some((text) => text.endsWith(notice.text)));
    }));

test("a click on the time line picks the nearest boundary, a drag a window of which it shows the growth", () =>
    on(url, async (page) => {
        for (const boundary of [0, 10, 37, 60, 99, 120]) {
            const { x, y } = await timelineX(page, boundary);
            await page.mouse.click(x, y);
            assert.ok((await sum(page)).startsWith(liveText(data, boundary)), `${boundary}: ${await sum(page)}`);
        }
        await drag(page, 30, 70);
        const [before, after] = [liveAt(data, 30), liveAt(data, 70)];
        const expected = `${signed(after[0] - before[0], "bytes")}, ${signed(after[1] - before[1], "blocks")} blocks`;
        assert.ok((await sum(page)).startsWith(expected), await sum(page));
        assert.equal(await page.locator('[data-chip="window"]').count(), 1);
        await press(page, "Escape");
        assert.equal(await page.locator('[data-chip="window"]').count(), 0);
    }));

test("near to a mark the mark is meant", () =>
    on(url, async (page) => {
        const mark = data.boundaries.indexOf(data.marks[1].at);
        const { x, y } = await timelineX(page, mark);
        await page.mouse.click(x + 5, y);
        assert.match(await sum(page), /\(phase 7\)/);
    }));

test("each measure in each unit is the plain sum", () =>
    on(url, async (page) => {
        await drag(page, 20, 90);
        for (const [measure, columns] of [
            ["allocated", ["allocatedBytes", "allocatedBlocks"]],
            ["freed", ["freedBytes", "freedBlocks"]],
            ["temporary", ["temporaryBytes", "temporaryBlocks"]],
        ] as const) {
            const sums = [0, 0];
            eachCell(data.cells, (cell, _, slice) => {
                if (slice < 20 || slice >= 90) return;
                sums[0] += data.cells[columns[0]][cell];
                sums[1] += data.cells[columns[1]][cell];
            });
            await page.locator(`[data-value="${measure}"]`).click();
            assert.ok((await sum(page)).startsWith(`${bytes(sums[0])} in ${blocks(sums[1])}`), measure);
        }
        await page.locator('[data-value="blocks"]').click();
        await settled(page);
        assert.equal(await page.locator('[data-value="blocks"]').getAttribute("aria-pressed"), "true");
    }));

test("tables: sorted by each column either way, and their selves add up to the sum", () =>
    on(url, async (page) => {
        await page.locator('[data-tab="module"]').click();
        await page.locator('[data-value="blocks"]').click();
        const number = (text: string) => Number(text.replaceAll(",", ""));
        const column = async (index: number) => (await rows(page)).map((row) => row[index]);
        const all = liveAt(data, data.peakBoundary)[1];
        const add = (list: string[]) => list.reduce((sum, text) => sum + number(text), 0);
        assert.equal(add(await column(0)), all);
        for (const [name, index] of [
            ["total", 2],
            ["self", 0],
        ] as const) {
            await page.locator(`th.${name} button`).click();
            const down = (await column(index)).map(number);
            assert.deepEqual(
                down,
                [...down].sort((x, y) => y - x),
            );
            await page.locator(`th.${name} button`).click();
            assert.deepEqual((await column(index)).map(number), down.reverse());
        }
        await page.locator("th.name button").click();
        const names = await column(3);
        assert.deepEqual(names, [...names].sort());
        await page.locator('[data-tab="thread"]').click();
        assert.equal(add(await column(0)), all);
    }));

test("a search lights, filters the table, and limits to what matches", () =>
    on(url, async (page) => {
        await press(page, "/");
        await page.keyboard.type("session::");
        await settled(page);
        assert.match((await page.locator(".matches").textContent()) ?? "", /% with a match$/);
        const named = (await rows(page)).map((row) => row[row.length - 1]);
        assert.ok(named.length > 0 && named.every((name) => /session/i.test(name)), named.join());
        const whole = await sum(page);
        await page.locator('[data-toggle="only"]').click();
        assert.notEqual(await sum(page), whole);
        await page.locator('[data-toggle="regex"]').click();
        await page.locator("input[type=search]").fill("(");
        await settled(page);
        assert.equal(await page.locator("input[type=search]").getAttribute("aria-invalid"), "true");
        await press(page, "Escape");
        assert.equal(await sum(page), whole);
    }));

test("a click zooms, crumbs and Escape lead out again; a focus shows callers and callees", () =>
    on(url, async (page) => {
        const graph = page.locator('[data-view="graph"]');
        const crumbs = page.locator(".crumbs li");
        await graph.click({ position: { x: 60, y: 28 } });
        await settled(page);
        assert.equal(await crumbs.count(), 2);
        await graph.click({ position: { x: 60, y: 28 } });
        await settled(page);
        assert.equal(await crumbs.count(), 3);
        await crumbs.nth(1).locator("button").click();
        await settled(page);
        assert.equal(await crumbs.count(), 2);
        await press(page, "Escape");
        assert.equal(await crumbs.count(), 1);
        await graph.click({ position: { x: 60, y: 66 } });
        await press(page, "s");
        assert.equal(await page.locator('[data-chip="focus"]').count(), 1);
        assert.match((await graph.getAttribute("aria-label")) ?? "", /^Callers and callees/);
        await page.locator('[data-chip="focus"] button').click();
        await settled(page);
        assert.equal(await page.locator('[data-chip="focus"]').count(), 0);
    }));

test("the menu of a cell hides its function and copies its stack", () =>
    on(
        url,
        async (page) => {
            const graph = page.locator('[data-view="graph"]');
            await graph.click({ button: "right", position: { x: 60, y: 47 } });
            const title = await page.locator(".menu p").textContent();
            await page.locator(".menu button", { hasText: "Copy the stack" }).click();
            await settled(page);
            const copied = await page.evaluate(() => navigator.clipboard.readText());
            assert.match(copied, /^ {2}File ".*"(, line \d+)?, in /);
            assert.ok(copied.trimEnd().endsWith(title ?? "?"), copied);
            await graph.click({ button: "right", position: { x: 60, y: 47 } });
            await page.locator(".menu button", { hasText: "Hide" }).click();
            await settled(page);
            assert.equal(await page.locator('[data-chip="hidden"]').count(), 1);
        },
        { permissions: ["clipboard-read", "clipboard-write"] },
    ));

test("a link restores what was looked at, and Back undoes a step", () =>
    on(url, async (page) => {
        await drag(page, 30, 70);
        await page.locator('[data-view="graph"]').click({ position: { x: 60, y: 28 } });
        await press(page, "f", "l", "h");
        await page.locator('[data-tab="function"]').click();
        await page.locator("input[type=search]").fill("row");
        await settled(page);
        const seen = [await sum(page), await page.locator(".crumbs").textContent(), (await rows(page)).join("\n")];
        const link = page.url();
        await on(link, async (again) => {
            const restored = [
                await sum(again),
                await again.locator(".crumbs").textContent(),
                (await rows(again)).join("\n"),
            ];
            assert.deepEqual(restored, seen);
            assert.equal(await again.locator('[data-value="flame"]').getAttribute("aria-pressed"), "true");
        });
        await page.goBack();
        await settled(page);
        assert.equal(await page.locator(".crumbs li").count(), 1);
    }));

test("keys: measures, unit, moments, help; the graph is walked by arrows", () =>
    on(url, async (page) => {
        await press(page, "3");
        assert.equal(await page.locator('[data-value="allocated"]').getAttribute("aria-pressed"), "true");
        await press(page, "e");
        assert.ok((await sum(page)).startsWith(liveText(data, 120)));
        await press(page, "[");
        assert.ok((await sum(page)).startsWith(liveText(data, 119)));
        await press(page, "?");
        assert.ok(await page.locator("dialog").isVisible());
        await press(page, "Escape");
        assert.ok(!(await page.locator("dialog").isVisible()));
        const graph = page.locator('[data-view="graph"]');
        await graph.focus();
        await press(page, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp", "Enter");
        assert.equal(await page.locator(".crumbs li").count(), 2);
        await page.locator('[data-view="timeline"]').focus();
        await press(page, "Home");
        assert.ok((await sum(page)).startsWith(liveText(data, 0)));
        await press(page, "Shift+ArrowRight", "Shift+ArrowRight");
        assert.equal(await page.locator('[data-chip="window"]').count(), 1);
    }));

test("dark as the system says, or as chosen", async () => {
    const back = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const found: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
        await on(url, async (page) => void found.push(await back(page)), { colorScheme });
    }
    assert.notEqual(found[0], found[1]);
    await on(
        url,
        async (page) => {
            await page.locator('[data-button="theme"]').click();
            await settled(page);
            assert.equal(await back(page), found[1]);
        },
        { colorScheme: "light" },
    );
});

test("a phone sees all of it without scrolling sideways", () =>
    on(
        url,
        async (page) => {
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
            await page.locator('[data-view="graph"]').tap({ position: { x: 60, y: 28 } });
            await settled(page);
            assert.equal(await page.locator(".crumbs li").count(), 2);
        },
        { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
    ));

test("everything that can be pressed has a name", () =>
    on(url, async (page) => {
        for (const tab of ["line", "detail"]) {
            await page.locator(`[data-tab="${tab}"]`).click();
            await settled(page);
            const nameless = await page.evaluate(() =>
                [...document.querySelectorAll("button, input, canvas, dialog, [role=tablist], section")]
                    .filter((element) => {
                        const named =
                            element.getAttribute("aria-label") ??
                            element.getAttribute("aria-labelledby") ??
                            element.textContent;
                        return (named ?? "").trim() === "";
                    })
                    .map((element) => element.outerHTML.slice(0, 100)),
            );
            assert.deepEqual(nameless, []);
        }
    }));

test("a difference shows before, after and what changed", async () => {
    const difference = makeReport({ kind: "difference", seed: 3, nodes: 600 });
    const add = (column: number[]) => column.reduce((a, b) => a + b, 0);
    const { startBytes, afterBytes } = difference.sites;
    await on(pages.write("difference.html", difference), async (page) => {
        assert.ok((await sum(page)).startsWith(signed(add(afterBytes) - add(startBytes), "bytes")), await sum(page));
        assert.equal(await page.locator('[data-view="timeline"]').count(), 0);
        const heads = await page.locator("thead th").allTextContents();
        assert.deepEqual(
            heads.map((head) => head.replace(/\W/g, "")),
            ["Before", "After", "Change", "Blocks", "Total", "Line"],
        );
        await page.locator('[data-value="after"]').click();
        assert.ok((await sum(page)).startsWith(bytes(add(afterBytes))));
    });
});

test("a moment has no time line and one measure", async () => {
    const moment = makeReport({ kind: "moment", seed: 3, nodes: 600 });
    await on(pages.write("moment.html", moment), async (page) => {
        const all = moment.sites.startBytes.reduce((a, b) => a + b, 0);
        assert.ok((await sum(page)).startsWith(amount(all, "bytes")));
        assert.equal(await page.locator('[aria-label="Measure"] button').count(), 1);
    });
});
