/** Puts data into the built page, as tmtool does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { deflateRawSync } from "node:zlib";
import type { ReportData } from "../src/format";

const PLACE = '<script type="application/octet-stream" id="tm-data"></script>';

/** The folder that npm was started in. */
const TEMPLATE = join(process.cwd(), "dist/report.html");

export function template(): string {
    return readFileSync(TEMPLATE, "utf8");
}

export function embed(data: unknown): string {
    return embedText(deflateRawSync(JSON.stringify(data)).toString("base64"));
}

export function embedText(packed: string): string {
    const page = template();
    if (page.split(PLACE).length !== 2) throw new Error("the template has not one place for the data");
    return page.replace(PLACE, PLACE.replace("></", `>${packed}</`));
}

/** A folder of pages that goes away with the tests. */
export class Pages {
    readonly folder = mkdtempSync(join(tmpdir(), "tm-report-"));

    write(name: string, data: ReportData): string {
        return this.writeText(name, embed(data));
    }

    writeText(name: string, text: string): string {
        const path = join(this.folder, name);
        writeFileSync(path, text);
        return pathToFileURL(path).href;
    }

    remove(): void {
        rmSync(this.folder, { recursive: true, force: true });
    }
}
