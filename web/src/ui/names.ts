/** How names are shown: what could hide or turn text is made visible, and what is long is cut; copies have the whole. */
import type { Report } from "../model/report";

const SHOWN_MAX = 400;

// Controls, and marks that turn the direction of text or take no room.
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

export function printable(text: string): string {
    return text.replace(UNSEEN, (unseen) => `\\u{${(unseen.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Cuts out the middle of what is too long to be read. */
export function clip(text: string, most = SHOWN_MAX): string {
    const head = text.length <= most ? text : `${text.slice(0, most / 2)}\u2026${text.slice(-most / 2)}`;
    return printable(head);
}

export class Names {
    private readonly short = new Map<number, string>();

    constructor(private readonly report: Report) {}

    /** The function without arguments and parameters of templates. */
    label(frame: number): string {
        if (frame < 0) return "all";
        const { function: functions, file } = this.report.data.frames;
        const string = functions[frame] || file[frame];
        let label = this.short.get(string);
        if (label === undefined) {
            const name = this.report.string(string);
            const isNative = this.report.kind[frame] === 0 && functions[frame] !== 0;
            label = clip(isNative ? shortFunction(name) : functions[frame] ? name : baseName(name), 160) || "?";
            this.short.set(string, label);
        }
        return label;
    }

    whole(frame: number): string {
        if (frame < 0) return "all";
        return clip(this.report.functionName(frame) || this.report.fileName(frame) || "?");
    }

    /** `file.c:12`, or the module where there is no line. */
    place(frame: number): string {
        const file = this.report.fileName(frame);
        const line = this.report.line(frame);
        if (file === "") return clip(baseName(this.report.moduleName(frame)), 120);
        return clip(baseName(file), 120) + (line > 0 ? `:${line}` : "");
    }

    /** The file alone, or the module: a function has many lines. */
    placeOfFunction(frame: number): string {
        return clip(baseName(this.report.fileName(frame) || this.report.moduleName(frame)), 120);
    }

    wholePlace(frame: number): string {
        const line = this.report.line(frame);
        return this.wholeFile(frame) + (line > 0 ? `:${line}` : "");
    }

    wholeFile(frame: number): string {
        return clip(this.report.fileName(frame));
    }

    wholeModule(frame: number): string {
        return clip(this.report.moduleName(frame));
    }

    /** The stack as tracebacks are written, the outermost first. */
    traceback(frames: number[]): string {
        const lines = frames.map((frame) => {
            const line = this.report.line(frame);
            const file = this.report.fileName(frame) || this.report.moduleName(frame);
            const name = this.report.functionName(frame);
            return `  File "${file}"${line > 0 ? `, line ${line}` : ""}${name === "" ? "" : `, in ${name}`}`;
        });
        return lines.join("\n");
    }
}

export function baseName(path: string): string {
    return path.slice(path.lastIndexOf("/") + 1);
}

/** `std::vector<int, A>::resize(unsigned long)` -> `std::vector<>::resize`. */
export function shortFunction(name: string): string {
    if (!/[<(]/.test(name) || name.length > 20_000) return name;
    let depth = 0;
    let short = "";
    for (let i = 0; i < name.length; i++) {
        const rest = name.slice(i, i + 24);
        const operator = depth === 0 && /^operator\s*([-<>=()[\]]+|[^\w\s<(]+)/.exec(rest);
        if (operator) {
            short += operator[0];
            i += operator[0].length - 1;
        } else if (depth === 0 && rest.startsWith("(anonymous namespace)")) {
            short += "(anonymous namespace)";
            i += 20;
        } else if (name[i] === "(" && depth === 0 && /\w|>|\)/.test(short.at(-1) ?? "")) {
            break;
        } else if (name[i] === "<" && (depth > 0 || /\w/.test(short.at(-1) ?? ""))) {
            if (depth++ === 0) short += "<";
        } else if (name[i] === ">" && depth > 0 && name[i - 1] !== "-") {
            if (--depth === 0) short += ">";
        } else if (depth === 0) {
            short += name[i];
        }
    }
    return depth === 0 && short !== "" ? withoutReturnType(short) : name;
}

/** `void ns::run<>` -> `ns::run<>`; demangled template functions name what they return. */
function withoutReturnType(name: string): string {
    const space = name.lastIndexOf(" ");
    const isPlain = space > 0 && !/operator|anonymous|\bas\b|[{[(<]/.test(name.slice(0, space + 1));
    return isPlain ? name.slice(space + 1) : name;
}
