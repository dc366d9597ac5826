/** Debian's Chromium without a screen, and a page of ours in it; whatever it complains of fails the test. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/google-chrome"];

export async function launch(): Promise<Browser> {
    const places = process.env.TM_CHROMIUM === undefined ? PLACES : [process.env.TM_CHROMIUM];
    const executablePath = places.find((place) => existsSync(place));
    if (executablePath === undefined)
        throw new Error(`no browser at ${places.join(" or ")}: scripts/setup installs one`);
    // The sandbox is not to be had by root.
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    return chromium.launch({ executablePath, headless: true, args: [...args, "--disable-gpu"] });
}

export interface Opened {
    page: Page;
    /** Errors, complaints on the console, requests: there should be none. */
    complaints: string[];
}

export async function open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
    isEmpty = false,
): Promise<Opened> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("dialog", (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
    });
    page.on("request", (request) => {
        if (!request.url().startsWith("data:") && !request.isNavigationRequest())
            complaints.push(`request: ${request.url()}`);
    });
    await page.goto(url);
    if (isEmpty) return { page, complaints };
    await page.waitForFunction(() => document.documentElement.dataset.ready !== undefined);
    await settled(page);
    return { page, complaints };
}

/** Waits until what was asked for is drawn. */
export async function settled(page: Page): Promise<void> {
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Opens, does, and wants no complaint of the browser: no error, no violation of the policy, no request. */
export async function on(
    browser: Browser,
    address: string,
    act: (page: Page) => Promise<void>,
    options: BrowserContextOptions = {},
): Promise<void> {
    const { page, complaints } = await open(browser, address, options);
    await act(page);
    assert.deepEqual(complaints, []);
    await page.context().close();
}

/** What the page says above the graph: the sum of what is looked at, and when. */
export async function sum(page: Page): Promise<string> {
    await settled(page);
    return (await page.locator(".sum").textContent()) ?? "";
}

export async function press(page: Page, ...keys: string[]): Promise<void> {
    for (const key of keys) {
        await page.keyboard.press(key);
        await settled(page);
    }
}
