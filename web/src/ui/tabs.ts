/** The tabs above the tables; arrow keys go from one to the next. */
import type { Report } from "../model/report";
import { DIMENSIONS } from "../model/selection";
import { namesOf, TABS, type Tab } from "../state";
import type { Actions } from "./app";
import { h } from "./dom";
import { titleOf } from "./table_panel";

export class Tabs {
    readonly element: HTMLElement;
    private readonly buttons: HTMLButtonElement[];

    constructor(report: Report, actions: Actions) {
        this.buttons = TABS.filter((tab) => isOfUse(report, tab)).map((tab) =>
            h(
                "button",
                { type: "button", role: "tab", "data-tab": tab, click: () => actions.set({ tab }) },
                titleOf(tab),
            ),
        );
        this.element = h("div", { class: "tabs", role: "tablist", "aria-label": "Tables" }, ...this.buttons);
        this.element.addEventListener("keydown", (event) => this.key(event));
    }

    show(tab: Tab): void {
        for (const button of this.buttons) {
            const isShown = button.dataset.tab === tab;
            button.setAttribute("aria-selected", String(isShown));
            button.tabIndex = isShown ? 0 : -1;
        }
    }

    private key(event: KeyboardEvent): void {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        const next = this.buttons[this.buttons.indexOf(event.target as HTMLButtonElement) + step];
        if (step === 0 || next === undefined) return;
        event.preventDefault();
        next.focus();
        next.click();
    }
}

/** A table of one thread, label, process or domain says nothing. */
function isOfUse(report: Report, tab: Tab): boolean {
    const dimension = DIMENSIONS.find((name) => name === tab);
    return dimension === undefined || namesOf(report, dimension).length > 1;
}
