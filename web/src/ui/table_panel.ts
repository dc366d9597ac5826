/** The table of the chosen kind: sorted, filtered by the search, and only the rows that can be seen are in the page. */
import { errorOf, isChange } from "../model/measure";
import { matcher } from "../model/search";
import type { Row } from "../model/table";
import type { View } from "../model/view";
import { type Column, nameOf, type Picked, type State, type Tab } from "../state";
import type { Actions } from "./app";
import { copy, h } from "./dom";
import { clip, type Names } from "./names";
import { bytes, figure, plusMinus, share, signed } from "./units";

const ROW_HEIGHT = 25;
/** Rows beyond the edges, so that scrolling shows no hole. */
const BEYOND = 8;
const PRINTED = 60;
export const COPIED_MAX = 1000;

interface Head {
    column: Column;
    text: string;
    title: string;
}

export class TablePanel {
    readonly element: HTMLElement;
    private readonly scroller: HTMLElement;
    private readonly head = h("thead");
    private readonly body = h("tbody");
    private readonly summary = h("p", { class: "summary", role: "status" });
    private shown: Row[] = [];
    private from: unknown[] = [];
    private printing = false;

    constructor(
        private readonly view: View,
        private readonly names: Names,
        private readonly actions: Actions,
    ) {
        const table = h("table", { "aria-label": "What holds memory" }, this.head, this.body);
        this.scroller = h("div", { class: "table-scroller", tabindex: -1, scroll: () => this.fill() }, table);
        const copyButton = h(
            "button",
            { type: "button", class: "quiet", title: "Copy this table as text", click: () => this.copy() },
            "Copy",
        );
        this.element = h(
            "div",
            { class: "table-panel", role: "tabpanel", "aria-label": "Table" },
            h("div", { class: "table-bar" }, this.summary, copyButton),
            this.scroller,
        );
        new ResizeObserver(() => this.fill()).observe(this.scroller);
        this.body.addEventListener("click", (event) => this.click(event));
        this.body.addEventListener("dblclick", (event) => this.focus(event));
        this.body.addEventListener("keydown", (event) => this.key(event));
        window.addEventListener("beforeprint", () => this.print(true));
        window.addEventListener("afterprint", () => this.print(false));
    }

    private print(printing: boolean): void {
        this.printing = printing;
        this.fill();
    }

    private heads(): Head[] {
        const { state } = this.view;
        const other = state.unit === "bytes" ? "Blocks" : "Bytes";
        const change = isChange(state.measure);
        const heads: Head[] = [];
        if (change || this.view.report.data.kind === "difference") {
            heads.push({ column: "before", text: "Before", title: "What lived before, blamed on this" });
            heads.push({ column: "after", text: "After", title: "What lives after, blamed on this" });
        }
        heads.push({
            column: "self",
            text: change ? "Change" : "Self",
            title: "What is blamed on this, as tmtool stats does",
        });
        heads.push({ column: "other", text: other, title: `The same in ${other.toLowerCase()}` });
        if (isOfFrames(state.tab)) {
            heads.push({ column: "total", text: "Total", title: "All that has this in its stack" });
        }
        heads.push({ column: "name", text: titleOf(state.tab), title: "" });
        return heads;
    }

    /** The column that the rows are sorted by: the chosen one, if the table has it. */
    private sortColumn(): Column {
        const { sort } = this.view.state;
        return this.heads().some(({ column }) => column === sort) ? sort : "self";
    }

    render(): void {
        const { state } = this.view;
        if (state.tab === "detail") return;
        const rows = this.view.rows();
        this.view.found();
        const from = [rows, state.query, state.regex, this.sortColumn(), state.ascending];
        if (from.some((part, i) => part !== this.from[i])) {
            if (this.from[0] !== rows || this.from[1] !== state.query) this.scroller.scrollTop = 0;
            this.from = from;
            this.shown = this.sorted(this.filtered(rows));
        }
        this.renderHead();
        const n = this.shown.length;
        const of = n === rows.length ? "" : ` of ${rows.length.toLocaleString("en")}`;
        this.summary.textContent = `${n.toLocaleString("en")}${of} ${titleOf(state.tab).toLowerCase()}${rows.length === 1 ? "" : "s"}`;
        this.fill();
    }

    private renderHead(): void {
        const { ascending, measure } = this.view.state;
        const sort = this.sortColumn();
        this.scroller.classList.toggle("change", isChange(measure));
        this.scroller.classList.toggle("estimated", errorOf(this.view.report, 1) > 0);
        const cells = this.heads().map(({ column, text, title }) => {
            const sorted = column === sort;
            const order = ascending ? "ascending" : "descending";
            const button = h("button", {
                type: "button",
                title: title || null,
                click: () => this.actions.sort(column),
            });
            button.append(
                text,
                h("span", { "aria-hidden": "true" }, sorted ? (ascending ? " \u25b4" : " \u25be") : ""),
            );
            return h("th", { scope: "col", class: column, "aria-sort": sorted ? order : null }, button);
        });
        this.head.replaceChildren(h("tr", {}, ...cells));
    }

    private filtered(rows: Row[]): Row[] {
        const { state, report } = this.view;
        if (state.query === "" || this.view.searchError !== "") return rows.slice();
        if (isOfFrames(state.tab)) {
            const found = this.view.found();
            const keys = this.view.keys(state.tab);
            if (found === null) return rows.slice();
            const keyFound = new Uint8Array(keys.n);
            const own = matcher(state.query, state.regex);
            for (let frame = 0; frame < report.nFrames; frame++) keyFound[keys.of[frame]] |= found[frame];
            // A file's or module's own name counts: nearly each has a function that matches.
            return rows.filter((row) =>
                state.tab === "line" || state.tab === "function" ? keyFound[row.key] : own?.(this.named(row)),
            );
        }
        const matches = matcher(state.query, state.regex);
        return rows.filter((row) => matches?.(this.named(row)));
    }

    private named({ key, frame }: Row): string {
        const { state, report } = this.view;
        switch (state.tab) {
            case "line":
            case "function":
                return report.functionName(frame) || report.fileOrAddress(frame);
            case "file":
                return report.fileName(frame) || "no file known";
            case "module":
                return report.moduleName(frame) || "no module known";
            case "detail":
                return "";
            default:
                return nameOf(report, state.tab, key);
        }
    }

    private sorted(rows: Row[]): Row[] {
        const { ascending } = this.view.state;
        const sort = this.sortColumn();
        const sign = ascending ? 1 : -1;
        const byName = (a: Row, b: Row) => {
            const [nameA, nameB] = [this.named(a), this.named(b)];
            return nameA < nameB ? -1 : nameA > nameB ? 1 : a.key - b.key;
        };
        if (sort === "name") return rows.sort((a, b) => -sign * byName(a, b));
        return rows.sort((a, b) => sign * (a[sort] - b[sort]) || Math.abs(b.total) - Math.abs(a.total) || byName(a, b));
    }

    /** Puts the rows that can be seen between two spacers. */
    private fill(): void {
        const { clientHeight, scrollTop } = this.scroller;
        const first = this.printing ? 0 : Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - BEYOND);
        const n = this.printing ? PRINTED : Math.ceil(clientHeight / ROW_HEIGHT) + 2 * BEYOND;
        const until = Math.min(this.shown.length, first + n);
        const rows: HTMLElement[] = [];
        for (let i = first; i < until; i++) rows.push(this.rowElement(this.shown[i], i));
        const below = this.printing ? 0 : this.shown.length - until;
        const active = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.index : undefined;
        const hadFocus = this.body.contains(document.activeElement);
        this.body.replaceChildren(spacer(first), ...rows, spacer(below));
        if (hadFocus && active !== undefined) this.rowAt(Number(active))?.focus({ preventScroll: true });
    }

    private rowAt(index: number): HTMLElement | null {
        return this.body.querySelector<HTMLElement>(`tr[data-index="${index}"]`);
    }

    private rowElement(row: Row, index: number): HTMLElement {
        const { state } = this.view;
        const cells = this.heads().map(({ column }) => this.cell(column, row));
        return h(
            "tr",
            {
                "data-index": index,
                "aria-rowindex": index + 2,
                "aria-selected": String(isPicked(state, this.view, row)),
                tabindex: 0,
            },
            ...cells,
        );
    }

    private cell(column: Column, row: Row): HTMLElement {
        const { unit, measure } = this.view.state;
        const otherUnit = unit === "bytes" ? "blocks" : "bytes";
        const change = isChange(measure);
        switch (column) {
            case "name":
                return this.nameCell(row);
            case "other":
                return numberCell(
                    column,
                    row.other,
                    change ? signed(row.other, otherUnit) : figure(row.other, otherUnit),
                );
            case "before":
            case "after":
                return numberCell(column, row[column], figure(row[column], unit));
            default: {
                const value = row[column];
                if (value === 0) return numberCell(column, 0, "");
                // A share of all changes, of either sign, would say little.
                const part = change ? null : h("small", {}, share(value, this.view.width()));
                const cell = h("td", {
                    class: `bar ${change ? (value > 0 ? "grew" : value < 0 ? "shrank" : "") : ""}`,
                });
                const bar = h("span", { class: "share", "aria-hidden": "true" });
                bar.style.width = `${Math.min(100, (100 * Math.abs(value)) / (this.view.width() || 1))}%`;
                const error = this.error(row, column);
                cell.append(bar, h("span", {}, change ? signed(value, unit) : figure(value, unit)));
                cell.append(error === "" ? "" : h("small", { class: "error" }, error), part ?? "");
                return cell;
            }
        }
    }

    /** How far the bytes of a row may be off: in hundredths, of a change in bytes. Nothing where they are exact. */
    private error(row: Row, column: Column): string {
        const { state, report } = this.view;
        if (state.unit !== "bytes" || (column !== "self" && column !== "total")) return "";
        if (!isChange(state.measure)) {
            const blocks = column === "self" ? row.other : undefined;
            return plusMinus(errorOf(report, row[column], blocks), row[column]);
        }
        const error = column === "self" ? errorOf(report, row.before + row.after) : 0;
        return error === 0 ? "" : `\u00b1${bytes(error)}`;
    }

    private nameCell(row: Row): HTMLElement {
        const { tab } = this.view.state;
        if (tab !== "line" && tab !== "function") {
            const name = this.named(row);
            return h("td", { class: "name", title: clip(name) }, clip(name, 200));
        }
        const place = tab === "line" ? this.names.place(row.frame) : this.names.placeOfFunction(row.frame);
        const cell = h("td", {
            class: "name",
            title: `${this.names.whole(row.frame)}\n${this.names.wholePlace(row.frame)}`,
        });
        cell.append(h("div", {}, h("span", {}, this.names.label(row.frame)), h("small", {}, place)));
        return cell;
    }

    private shownOf(event: Event): Row | null {
        const tr = (event.target as HTMLElement).closest<HTMLElement>("tr[data-index]");
        return tr === null ? null : (this.shown[Number(tr.dataset.index)] ?? null);
    }

    private click(event: MouseEvent): void {
        const found = this.shownOf(event);
        // The second click of two is the one that focuses, and would take the first one back.
        if (found !== null && !(event.detail > 1 && this.canFocus())) this.pick(found);
    }

    private pick(row: Row): void {
        const { state } = this.view;
        const { tab } = state;
        if (tab === "detail") return;
        if (!isOfFrames(tab)) {
            this.actions.choose(tab, state.chosen[tab] === row.key ? null : row.key);
            return;
        }
        this.actions.pick(isPicked(state, this.view, row) ? null : { grouping: tab, frame: row.frame });
    }

    private focus(event: Event): void {
        const found = this.shownOf(event);
        if (found !== null && this.canFocus()) this.actions.focus(found.frame);
    }

    /** Whether the rows are functions, or lines of them. */
    private canFocus(): boolean {
        const { tab } = this.view.state;
        return tab === "line" || tab === "function";
    }

    private key(event: KeyboardEvent): void {
        const found = this.shownOf(event);
        if (found === null) return;
        const index = Number((event.target as HTMLElement).dataset.index);
        if (event.key === "Enter" || event.key === " ") this.pick(found);
        else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
            const next = index + (event.key === "ArrowDown" ? 1 : -1);
            const edge = this.rowAt(next);
            edge?.focus();
            edge?.scrollIntoView({ block: "nearest" });
        } else return;
        event.preventDefault();
    }

    /** The rows as text, in columns. */
    text(): string {
        const { unit } = this.view.state;
        const otherUnit = unit === "bytes" ? "blocks" : "bytes";
        const heads = this.heads().filter(({ column }) => column !== "name");
        const lines = this.shown.slice(0, COPIED_MAX).map((row) => {
            const numbers = heads.map(({ column }) => {
                const value = figure(row[column as Exclude<Column, "name">], column === "other" ? otherUnit : unit);
                const error = this.error(row, column);
                return ` ${error === "" ? value : `${value} ${error}`}`.padStart(12);
            });
            const place =
                row.frame >= 0 && this.view.state.tab === "line" ? `  ${this.names.wholePlace(row.frame)}` : "";
            return `${numbers.join("")}  ${this.named(row)}${place}`;
        });
        const head = heads.map(({ text }) => text.toUpperCase().padStart(12)).join("");
        return `${head}  ${titleOf(this.view.state.tab).toUpperCase()}\n${lines.join("\n")}\n`;
    }

    private copy(): void {
        void copy(this.text()).then(() => this.actions.say("The table is on the clipboard."));
    }
}

export function titleOf(tab: Tab): string {
    const titles = { process: "Process", detail: "Details" } as Partial<Record<Tab, string>>;
    return titles[tab] ?? tab[0].toUpperCase() + tab.slice(1);
}

function isOfFrames(tab: Tab): tab is Picked["grouping"] {
    return tab === "line" || tab === "function" || tab === "file" || tab === "module";
}

function isPicked(state: State, view: View, row: Row): boolean {
    const { tab, picked } = state;
    if (tab === "detail") return false;
    if (!isOfFrames(tab)) return state.chosen[tab] === row.key;
    return picked !== null && picked.grouping === tab && view.keys(tab).of[picked.frame] === row.key;
}

/** Nothing is a dash, so that the eye finds what is something. */
function numberCell(column: Column, value: number, text: string): HTMLElement {
    return value === 0 ? h("td", { class: `${column} none` }, "\u2013") : h("td", { class: column }, text);
}

function spacer(rows: number): HTMLElement {
    const cell = h("td");
    const row = h("tr", { class: "space", "aria-hidden": "true" }, cell);
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    row.hidden = rows === 0;
    return row;
}
