/** Takes pictures of pages: `node tools/test.mjs shots FOLDER [PAGE.html]`. */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { launch, open, settled } from "./browser";
import { Pages } from "./embed";
import { makeReport } from "./maker";

const folder = process.argv[2] ?? "build";
const pages = new Pages();
const browser = await launch();
const given = process.argv[3];
const recording = given
    ? pathToFileURL(resolve(given)).href
    : pages.write("recording.html", makeReport({ seed: 7, nodes: 3000 }));
const difference = pages.write("difference.html", makeReport({ seed: 9, nodes: 1500, kind: "difference" }));
for (const [name, url, options] of [
    ["light", recording, { colorScheme: "light" }],
    ["dark", `${recording}#tab=function&shape=flame`, { colorScheme: "dark" }],
    ["window", `${recording}#m=grew&w=6000000000-18000000000&tab=detail`, { colorScheme: "light" }],
    ["difference", difference, { colorScheme: "light" }],
    [
        "phone",
        recording,
        {
            colorScheme: "light",
            viewport: { width: 390, height: 844 },
            deviceScaleFactor: 2,
            isMobile: true,
            hasTouch: true,
        },
    ],
] as const) {
    const { page, complaints } = await open(browser, url, options);
    if (name === "window") await page.locator('[data-view="graph"]').click({ position: { x: 120, y: 48 } });
    await settled(page);
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: name === "phone" });
    for (const complaint of complaints) console.log(`${name}: ${complaint}`);
}
await browser.close();
pages.remove();
