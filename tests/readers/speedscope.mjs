// Opens a file in speedscope, in a headless browser, as its own command line does; prints what it shows of each profile in its table
// of functions. Arguments: the folder with node_modules, the browser, the file.
import fs from "node:fs";
import { createRequire } from "node:module";

const [folder, browserPath, file] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { chromium } = require("playwright-core");
const page = require.resolve("speedscope/package.json").replace("package.json", "dist/release/index.html");
const script = `${file}.js`;
const content = fs.readFileSync(file).toString("base64");
fs.writeFileSync(script, `speedscope.loadFileFromBase64("made.json", ${JSON.stringify(content)})`);

// A loaded machine takes longer than anybody would think: what is awaited is a state, and this is when it will not come any more.
const TIMEOUT_MS = 600_000;
const browser = await chromium.launch({
    executablePath: browserPath,
    timeout: TIMEOUT_MS,
    args: ["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader"],
});
const tab = await browser.newPage({ viewport: { width: 1600, height: 8000 } });
tab.setDefaultTimeout(TIMEOUT_MS);
tab.setDefaultNavigationTimeout(TIMEOUT_MS);
const errors = [];
tab.on("pageerror", (error) => errors.push(String(error)));
tab.on("dialog", (dialog) => {
    errors.push(dialog.message());
    dialog.dismiss();
});
await tab.goto(`file://${page}#localProfilePath=${script}`);
await tab.waitForFunction(() => document.title.endsWith("- speedscope"));
// The title comes before the page hears of keys; this one may be pressed again.
while ((await tab.$("text=Symbol Name")) === null) {
    await tab.keyboard.press("3");
    await tab.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
}
const profiles = [];
for (;;) {
    await tab.waitForSelector("text=Symbol Name");
    const heading = await tab.waitForFunction(
        (n) => document.body.innerText.match(/^(.*) \((\d+)\/(\d+)\)$/m)?.slice(1, 4).concat(n),
        profiles.length,
    );
    const [name, place, count] = await heading.jsonValue();
    if (Number(place) !== profiles.length + 1) {
        await tab.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
        continue;
    }
    const rows = await tab.$$eval("tr", (all) => all.map((row) => [...row.children].map((cell) => cell.innerText.trim())));
    profiles.push({ name, rows: rows.filter((row) => row.length === 3 && row[1].endsWith("%)")) });
    if (profiles.length === Number(count)) {
        break;
    }
    await tab.keyboard.press("n");
}
console.log(JSON.stringify({ title: await tab.title(), profiles, errors }));
await browser.close();
