/** Gets the report's data out of the page: base64, raw deflate, JSON. Says in one sentence why it cannot. */
import type { ReportData } from "./format";

const VERSION = 1;

export async function load(base64: string): Promise<ReportData> {
    const text = base64.trim();
    if (text === "") throw new Error("This page has no data in it; `tmtool report FILE` writes one that has.");
    let data: ReportData;
    try {
        data = await inflated(bytes(text));
    } catch {
        throw new Error("The data in this page is damaged; write the report again with `tmtool report FILE`.");
    }
    if (data.version !== VERSION) {
        throw new Error(`The data in this page has version ${data.version}, but the page reads version ${VERSION}.`);
    }
    return data;
}

async function inflated(deflated: Uint8Array<ArrayBuffer>): Promise<ReportData> {
    const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return (await new Response(stream).json()) as ReportData;
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
    const binary = atob(base64);
    const into = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) into[i] = binary.charCodeAt(i);
    return into;
}
