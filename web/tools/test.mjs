// Bundles each test of test/ and has node's test runner run them: `npm test`; a name runs test/NAME.ts alone, as a script.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const name = process.argv[2];
const tests = readdirSync(join(web, "test")).filter((file) =>
    name ? file === `${name}.ts` : file.endsWith(".test.ts"),
);
if (tests.length === 0) throw new Error(`there is no test/${name}.ts`);
rmSync(join(web, "build"), { recursive: true, force: true });
await build({
    absWorkingDir: web,
    entryPoints: tests.map((file) => join("test", file)),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    packages: "external",
    outdir: "build",
    outExtension: { ".js": ".mjs" },
    sourcemap: "inline",
    logLevel: "warning",
});
const built = tests.map((file) => join("build", file.replace(/\.ts$/, ".mjs")));
const runner = name ? [] : ["--test"];
const run = spawnSync(process.execPath, ["--enable-source-maps", ...runner, ...built, ...process.argv.slice(3)], {
    cwd: web,
    stdio: "inherit",
});
process.exit(run.status ?? 1);
