// Makes dist/report.html of src/: script and style inline, allowed by their hashes and nothing else. The same sources give the same bytes.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const BYTES_MAX = 150 * 1024;

async function bundle(entry) {
    const made = await build({
        absWorkingDir: web,
        entryPoints: [entry],
        bundle: true,
        write: false,
        minify: true,
        charset: "ascii",
        legalComments: "none",
        format: "iife",
        target: ["chrome111", "firefox113", "safari16.4"],
        logLevel: "warning",
    });
    return made.outputFiles[0].text.trim();
}

function sha256(text) {
    return `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
}

/** Puts `text` in the one place of `name`; as a function, since `$&` in a script is no pattern. */
function put(page, name, text) {
    if (page.split(name).length !== 2) throw new Error(`template.html must have ${name} once`);
    return page.replace(name, () => text);
}

const script = await bundle("src/main.ts");
const style = await bundle("src/style.css");
if (/<\/script|<!--/i.test(script)) throw new Error("the script would end its own element");
const policy = [
    "default-src 'none'",
    `script-src ${sha256(script)}`,
    `style-src ${sha256(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
].join("; ");
let page = readFileSync(join(web, "src/template.html"), "utf8");
page = put(page, "@POLICY@", policy);
page = put(page, "@STYLE@", style);
page = put(page, "@SCRIPT@", script);
const bytes = Buffer.byteLength(page);
if (bytes > BYTES_MAX) throw new Error(`the page is ${bytes} bytes, more than ${BYTES_MAX}`);
mkdirSync(join(web, "dist"), { recursive: true });
const target = join(web, "dist/report.html");
// What has not changed is not written: tmtool, which has it inside, would be built again.
if (!existsSync(target) || readFileSync(target, "utf8") !== page) writeFileSync(target, page);
console.log(`dist/report.html: ${bytes} bytes`);
