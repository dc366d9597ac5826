/** Numbers as tmtool writes them. */
import type { Unit } from "../model/measure";

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];
const MINUS = "\u2212";

/** As `tmtool stats`: 4096 B, 71.0 KiB, 3651 KiB, 13.0 MiB. */
export function bytes(value: number): string {
    let size = Math.abs(value);
    let unit = 0;
    while (!(size < 100 && unit > 0) && size >= 10 * 1024 && unit < BYTES.length - 1) {
        size /= 1024;
        unit++;
    }
    const digits = size < 100 && unit > 0 ? size.toFixed(1) : size.toFixed(0);
    return `${value < 0 ? MINUS : ""}${digits} ${BYTES[unit]}`;
}

/** A round number as it stands at an axis: 3 GiB, 1.5 GiB. */
export function roundBytes(value: number): string {
    let size = value;
    let unit = 0;
    for (; size >= 1024 && unit < BYTES.length - 1; unit++) size /= 1024;
    return `${Number(size.toFixed(2))} ${BYTES[unit]}`;
}

export function count(value: number): string {
    const digits = Math.abs(Math.round(value)).toString();
    return (value < 0 ? MINUS : "") + digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

export function blocks(value: number): string {
    return `${count(value)} block${Math.abs(value) === 1 ? "" : "s"}`;
}

export function amount(value: number, unit: Unit): string {
    return unit === "bytes" ? bytes(value) : blocks(value);
}

/** The same without the word, for columns that have it on top. */
export function figure(value: number, unit: Unit): string {
    return unit === "bytes" ? bytes(value) : count(value);
}

export function signed(value: number, unit: Unit): string {
    return (value > 0 ? "+" : "") + figure(value, unit);
}

export function share(part: number, whole: number): string {
    return whole === 0 ? "" : `${((100 * part) / whole).toFixed(1)}%`;
}

/** How far an estimate may be off, as `tmtool stats` writes it: \u00b17.1%, \u00b1120%. Nothing where it is exact. */
export function plusMinus(error: number, value: number): string {
    if (error === 0 || value === 0) return "";
    const percent = (100 * error) / Math.abs(value);
    return `\u00b1${percent.toFixed(percent >= 0.05 && percent < 9.95 ? 1 : 0)}%`;
}

const DURATIONS: [number, string][] = [
    [3600e9, "h"],
    [60e9, "min"],
    [1e9, "s"],
    [1e6, "ms"],
    [1e3, "\u00b5s"],
];

/** ns as 14.9 ms, 1.50 s, 2.5 min; `step` is what must still be told apart. */
export function duration(ns: number, step = 0): string {
    for (const [size, unit] of DURATIONS) {
        if (ns >= size * (unit === "min" ? 2 : 1)) {
            const value = ns / size;
            const needed = step > 0 ? Math.ceil(-Math.log10(step / size) - 1e-9) : value < 10 ? 2 : value < 100 ? 1 : 0;
            return `${value.toFixed(Math.min(6, Math.max(0, needed)))} ${unit}`;
        }
    }
    return `${Math.round(ns)} ns`;
}

/** A count in few letters: 950, 12.3k, 4.5M. */
export function brief(value: number): string {
    if (value < 1000) return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value));
    const units = ["k", "M", "G"];
    let at = -1;
    let left = value;
    while (left >= 999.5 && at < units.length - 1) {
        left /= 1000;
        at++;
    }
    return left.toFixed(left < 10 ? 1 : 0) + units[at];
}
