/** What is not a usual report: no data, damaged data, hostile names, nothing in it, wrong sums. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launch, on as onPage, open, press, settled, sum } from "./browser";
import { embed, embedText, Pages, template } from "./embed";
import { makeReport } from "./maker";

const pages = new Pages();
let browser: Browser;

before(async () => {
    browser = await launch();
});

after(async () => {
    await browser?.close();
    pages.remove();
});

const on = (address: string, act: (page: Page) => Promise<void>) => onPage(browser, address, act);

test("sums that are not tmtool's are said at the top", async () => {
    const wrong = makeReport({ nodes: 200 });
    wrong.origins[0].liveBytes += 1;
    await on(pages.write("wrong.html", wrong), async (page) => {
        assert.match((await page.locator(".notices .lost").first().textContent()) ?? "", /do not trust its figures/);
    });
});

test("a page without data, with damaged data or of another version says so", async () => {
    const { page } = await open(browser, pages.writeText("empty.html", template()));
    assert.match((await page.locator(".failure").textContent()) ?? "", /has no data in it/);
    for (const [name, text, said] of [
        ["damaged", embedText("AAAA"), /is damaged/],
        ["newer", embed({ version: 2 }), /has version 2/],
    ] as const) {
        const opened = await open(browser, pages.writeText(`${name}.html`, text));
        assert.match((await opened.page.locator(".failure").textContent()) ?? "", said);
    }
});

test("hostile names are text and nothing else", async () => {
    const script =
        "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`$" + "{alert(3)}&amp;\u0000\n\u202e";
    const hostile = makeReport({ nodes: 300, prefix: script });
    hostile.strings[5] = `${script}${"x".repeat(100_000)}`;
    hostile.notices[0].text = `${script}<b>bold</b>`;
    await on(pages.write("hostile.html", hostile), async (page) => {
        assert.equal(await page.locator("img, b:has-text('bold')").count(), 0);
        await page.locator('[data-view="graph"]').click({ position: { x: 60, y: 47 } });
        for (const tab of ["function", "file", "module", "thread", "label", "process", "detail"]) {
            await page.locator(`[data-tab="${tab}"]`).click();
            await settled(page);
        }
        assert.equal(await page.locator("script").count(), 1);
        assert.match((await page.locator(".detail h2").textContent()) ?? "", /<\/script><script>alert\(1\)/);
        assert.match((await page.locator(".detail h2").textContent()) ?? "", /\\u\{0\}\\u\{a\}\\u\{202e\}/);
        await page.locator('[data-view="graph"]').hover({ position: { x: 60, y: 28 } });
        assert.equal(await page.locator(".tooltip img, .tooltip script").count(), 0);
    });
});

test("an empty recording opens", async () => {
    const empty = makeReport({ nodes: 1, sites: 0 });
    empty.notices = [];
    await on(pages.write("empty-recording.html", empty), async (page) => {
        assert.match(await sum(page), /^0 B in 0 blocks live/);
        await page.locator('[data-view="graph"]').click({ position: { x: 60, y: 8 } });
        await press(page, "i", "4", "?");
    });
});
