/** What frames are grouped by: frames of one line, function, file or module have one key. */
import type { Report } from "./report";

export type Grouping = "line" | "function" | "file" | "module";

export interface Keys {
    /** The key of each frame. */
    of: Int32Array;
    /** A frame of each key, the first. */
    frame: Int32Array;
    n: number;
}

const ROOM = 2 ** 21;

export function keysOf(report: Report, grouping: Grouping): Keys {
    const { function: name, file, line, module } = report.data.frames;
    const keys = new Int32Array(report.nFrames);
    const first: number[] = [];
    const known = new Map<number | string, number>();
    for (let frame = 0; frame < report.nFrames; frame++) {
        const of = grouping === "line" ? file : report.fileOf;
        const value = valueBy(grouping, name[frame], of[frame], line[frame], module[frame]);
        let key = known.get(value);
        if (key === undefined) {
            key = first.length;
            known.set(value, key);
            first.push(frame);
        }
        keys[frame] = key;
    }
    return { of: keys, frame: Int32Array.from(first), n: first.length };
}

function valueBy(grouping: Grouping, name: number, file: number, line: number, module: number): number | string {
    switch (grouping) {
        case "file":
            return file;
        case "module":
            return module;
        case "function":
            return `${name * ROOM + file} ${module}`;
        case "line":
            return `${name * ROOM + file} ${line} ${module}`;
    }
}
