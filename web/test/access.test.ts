/** Can everybody use it? axe-core's rules, on the whole page in each of its forms, in light and dark. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { launch, on, press, settled } from "./browser";
import { Pages } from "./embed";
import { makeReport } from "./maker";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pages = new Pages();
let browser: Browser;

before(async () => {
    browser = await launch();
});

after(async () => {
    await browser?.close();
    pages.remove();
});

declare const axe: { run(): Promise<AxeResults> };

async function faults(page: Page): Promise<string[]> {
    await settled(page);
    const { violations } = await page.evaluate(() => axe.run());
    return violations.flatMap(({ id, help, nodes }) =>
        nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 160)}`),
    );
}

for (const colorScheme of ["light", "dark"] as const) {
    test(`axe finds no fault: ${colorScheme}`, async () => {
        const url = pages.write(`${colorScheme}.html`, makeReport({ nodes: 800 }));
        await on(
            browser,
            `${url}#w=5000000000-20000000000&m=grew`,
            async (page) => {
                await page.evaluate(AXE);
                await page.locator("tbody tr[data-index]").first().click();
                assert.deepEqual(await faults(page), []);
                await page.locator('[data-view="graph"]').click({ position: { x: 60, y: 47 } });
                await page.locator('[data-tab="detail"]').click();
                assert.deepEqual(await faults(page), []);
                await page.locator('[data-view="graph"]').click({ button: "right", position: { x: 60, y: 28 } });
                assert.deepEqual(await faults(page), []);
                await press(page, "Escape", "?");
                assert.deepEqual(await faults(page), []);
            },
            { colorScheme },
        );
    });
}
