/** The top of the page: what was recorded, its totals, and what is to be known of the figures. */
import type { Notice, Origin } from "../format";
import type { Report } from "../model/report";
import { openingMoment } from "../state";
import { h } from "./dom";
import { baseName, clip } from "./names";
import { bytes, count, duration, signed } from "./units";

const NOTICES_OPEN = 3;
const ORDER: Notice["kind"][] = ["lost", "guessed", "unknown", "folded", "note"];

export function titleOf(report: Report): string {
    const [first, second] = report.data.origins;
    const name = programOf(first);
    if (second !== undefined) return `${name}: ${first.moment} to ${second.moment}`;
    return report.data.kind === "moment" ? `${name}: snapshot` : name;
}

function programOf(origin: Origin): string {
    const program = origin.command.trim().split(/\s+/)[0] ?? "";
    return clip(baseName(program || origin.path), 60);
}

export function header(report: Report, buttons: HTMLElement): HTMLElement {
    const { origins, generator, kind } = report.data;
    const first = origins[0];
    const element = h(
        "header",
        {},
        h(
            "div",
            { class: "who" },
            h("h1", {}, h("span", { class: "tm", title: clip(generator, 60) }, "tm"), titleOf(report)),
            h("p", { class: "command", title: clip(first.command, 2000) }, clip(first.command, 300)),
            h("p", { class: "origin" }, origins.map((origin) => originLine(origin, kind)).join(" \u2192 ")),
        ),
        h("dl", { class: "totals" }, ...totals(report)),
        buttons,
    );
    return element;
}

function originLine(origin: Origin, kind: string): string {
    const parts = [clip(baseName(origin.path), 80)];
    if (kind === "difference" && origin.moment !== "") parts[0] += `@${clip(origin.moment, 40)}`;
    if (origin.host !== "") parts.push(`on ${clip(origin.host, 40)}`);
    if (origin.startedMs > 0) parts.push(new Date(origin.startedMs).toISOString().slice(0, 16).replace("T", " "));
    if (origin.durationNs > 0) parts.push(duration(origin.durationNs));
    return parts.join(", ");
}

function totals(report: Report): HTMLElement[] {
    const { kind, origins } = report.data;
    const [first, second] = origins;
    if (kind === "difference" && second !== undefined) {
        return [
            total("Before", bytes(first.liveBytes), `${count(first.liveBlocks)} blocks`),
            total("After", bytes(second.liveBytes), `${count(second.liveBlocks)} blocks`),
            total(
                "Difference",
                signed(second.liveBytes - first.liveBytes, "bytes"),
                `${signed(second.liveBlocks - first.liveBlocks, "blocks")} blocks`,
            ),
        ];
    }
    const live = total(
        `Live at ${clip(first.moment, 24)}`,
        bytes(first.liveBytes),
        `${count(first.liveBlocks)} blocks`,
    );
    if (kind === "moment") return [live];
    const { cells } = report;
    const add = (column: Float64Array) => column.reduce((sum, value) => sum + value, 0);
    const allocations = add(cells.allocatedBlocks);
    const temporary = add(cells.temporaryBlocks);
    return [
        live,
        total("Allocated", bytes(add(cells.allocatedBytes)), `${count(allocations)} blocks`),
        total(
            "Freed at once",
            allocations === 0 ? "0%" : `${((100 * temporary) / allocations).toFixed(1)}%`,
            `${count(temporary)} blocks`,
        ),
    ];
}

function total(name: string, figure: string, more: string): HTMLElement {
    return h("div", {}, h("dt", {}, name), h("dd", {}, figure, h("small", {}, more)));
}

const ICONS = { lost: "!", guessed: "?", unknown: "?", folded: "\u2026", note: "i" } as const;

/** All notices, the gravest first; of many, the rest behind a line to be opened. */
export function notices(list: Notice[]): HTMLElement | null {
    if (list.length === 0) return null;
    const rank = (notice: Notice) => ORDER.indexOf(notice.kind);
    const items = [...list]
        .sort((a, b) => rank(a) - rank(b))
        .map((notice) => {
            const kind = ORDER.includes(notice.kind) ? notice.kind : "note";
            return h(
                "li",
                { class: kind },
                h("b", { title: kind, "aria-label": kind }, ICONS[kind]),
                clip(notice.text, 1200),
            );
        });
    const open = items.slice(0, items.length <= NOTICES_OPEN + 1 ? items.length : NOTICES_OPEN);
    const rest = items.slice(open.length);
    const element = h(
        "section",
        { class: "notices", "aria-label": "What is to be known of these figures" },
        h("ul", {}, ...open),
    );
    if (rest.length > 0) {
        element.append(h("details", {}, h("summary", {}, `${rest.length} more notices`), h("ul", {}, ...rest)));
    }
    return element;
}

/** Holds what the page adds up against what tmtool says; gives a sentence if they differ. */
export function selfCheck(report: Report, liveAt: (moment: number) => [number, number]): Notice | null {
    const { kind, origins, boundaries } = report.data;
    const checks: [Origin, [number, number]][] = [];
    const sum = (column: Float64Array) => column.reduce((all, value) => all + value, 0);
    const { startBytes, startBlocks, afterBytes, afterBlocks } = report.sites;
    if (kind === "recording") {
        const moment = openingMoment(report);
        if (boundaries[moment] === origins[0].momentNs) checks.push([origins[0], liveAt(moment)]);
    } else {
        checks.push([origins[0], [sum(startBytes), sum(startBlocks)]]);
        if (origins[1] !== undefined) checks.push([origins[1], [sum(afterBytes), sum(afterBlocks)]]);
    }
    const wrong = checks.find(([origin, [b, n]]) => origin.liveBytes !== b || origin.liveBlocks !== n);
    if (wrong === undefined) return null;
    const [origin, [b, n]] = wrong;
    const text = `This page adds up to ${count(b)} bytes in ${count(n)} blocks at ${origin.moment}, but tmtool found ${count(origin.liveBytes)} in ${count(origin.liveBlocks)}: do not trust its figures, and report this.`;
    return { kind: "lost", text };
}
