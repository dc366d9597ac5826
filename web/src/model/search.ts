/** The search: which frames match a text or a regular expression in function, file or module. Each string is looked at once a query. */
import type { Report } from "./report";

export class SearchError extends Error {}

/** A test for names, or null if nothing is searched. Text is found in any case, a regular expression as well. */
export function matcher(query: string, regex: boolean): ((text: string) => boolean) | null {
    if (query === "") return null;
    try {
        const pattern = new RegExp(regex ? query : query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
        return (text) => pattern.test(text);
    } catch (error) {
        throw new SearchError(error instanceof Error ? error.message : String(error));
    }
}

export function matchingFrames(report: Report, matches: (text: string) => boolean): Uint8Array {
    const { strings, frames } = report.data;
    const found = new Int8Array(strings.length).fill(-1);
    const test = (string: number): number => {
        if (found[string] < 0) found[string] = matches(strings[string]) ? 1 : 0;
        return found[string];
    };
    const marked = new Uint8Array(report.nFrames);
    for (let frame = 0; frame < marked.length; frame++) {
        marked[frame] = test(frames.function[frame]) | test(frames.file[frame]) | test(frames.module[frame]);
    }
    return marked;
}
