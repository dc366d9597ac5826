/** How names are shown: what could hide or turn text is made visible, and what is long is cut; copies have the whole. */
import type { Report } from "../model/report";

const SHOWN_MAX = 400;
const LABEL_MAX = 160;
const KIND_NATIVE = 0;

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

    /** The function without arguments and parameters of templates; without a name the file. */
    label(frame: number): string {
        if (frame < 0) return "all";
        const string = this.report.data.frames.function[frame];
        if (string === 0) return clip(baseName(this.report.fileName(frame)), LABEL_MAX) || "?";
        let label = this.short.get(string);
        if (label === undefined) {
            const name = this.report.string(string);
            label = clip(this.report.kind[frame] === KIND_NATIVE ? shortFunction(name) : name, LABEL_MAX);
            this.short.set(string, label);
        }
        return label;
    }

    whole(frame: number): string {
        if (frame < 0) return "all";
        return clip(this.report.functionName(frame) || this.report.fileOrAddress(frame) || "?");
    }

    /** `file.c:12`; where there is no line, the module and address, of which the label may have the first. */
    place(frame: number): string {
        const line = this.report.line(frame);
        if (line > 0) return `${clip(baseName(this.report.fileName(frame)), LABEL_MAX)}:${line}`;
        const place = baseName(this.report.fileOrAddress(frame) || this.report.moduleName(frame));
        const isNamed = this.report.functionName(frame) !== "";
        return clip(isNamed ? place : place.slice(baseName(this.report.fileName(frame)).length), LABEL_MAX);
    }

    /** The file alone: a function has many lines. */
    placeOfFunction(frame: number): string {
        if (this.report.functionName(frame) === "") return "";
        return clip(baseName(this.report.fileName(frame) || this.report.moduleName(frame)), LABEL_MAX);
    }

    wholePlace(frame: number): string {
        const line = this.report.line(frame);
        return line > 0 ? `${this.wholeFile(frame)}:${line}` : clip(this.report.fileOrAddress(frame));
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
            const file = this.report.fileOrAddress(frame) || this.report.moduleName(frame);
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
