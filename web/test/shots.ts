/** Takes the pictures of docs/images: `node tools/test.mjs shots FOLDER RECORDING.html DIFFERENCE.html`; without pages, of made-up ones. */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { launch, open, settled } from "./browser";
import { Pages } from "./embed";
import { makeReport } from "./maker";

interface Shot {
    name: string;
    url: string;
    options: BrowserContextOptions;
    before?: (page: Page) => Promise<void>;
}

const [folder = "build", ...given] = process.argv.slice(2);
const pages = new Pages();
const [recording, difference] = [
    given[0]
        ? pathToFileURL(resolve(given[0])).href
        : pages.write("recording.html", makeReport({ seed: 7, nodes: 3000 })),
    given[1]
        ? pathToFileURL(resolve(given[1])).href
        : pages.write("difference.html", makeReport({ seed: 9, nodes: 1500, kind: "difference" })),
];
const desktop = { viewport: { width: 1320, height: 760 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** Drags over a part of the time line, and looks at a cell there. */
async function window(page: Page): Promise<void> {
    const box = await page.locator('[data-view="timeline"]').boundingBox();
    if (box === null) return;
    await page.mouse.move(box.x + 0.5 * box.width, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.7 * box.width, box.y + 60);
    await page.mouse.move(box.x + 0.965 * box.width, box.y + 60);
    await page.mouse.up();
    await page.locator('[data-view="graph"]').click({ position: { x: 120, y: 5 * 19 + 9 } });
    await page.locator('[data-tab="detail"]').click();
    await page.mouse.move(0, 0);
}

const shots: Shot[] = [
    { name: "report", url: recording, options: { ...desktop, colorScheme: "light" } },
    { name: "report-dark", url: recording, options: { ...desktop, colorScheme: "dark" }, before: window },
    { name: "report-difference", url: difference, options: { ...desktop, colorScheme: "light" } },
    { name: "report-phone", url: recording, options: { ...phone, colorScheme: "light" } },
];
const browser = await launch();
for (const { name, url, options, before } of shots) {
    const { page, complaints } = await open(browser, url, options);
    await before?.(page);
    await settled(page);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    for (const complaint of complaints) console.log(`${name}: ${complaint}`);
    await page.context().close();
}
await browser.close();
pages.remove();
