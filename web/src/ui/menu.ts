/** The menu of a cell of the graph. */
import { h } from "./dom";

export interface Item {
    text: string;
    key: string;
    act: () => void;
}

export class Menu {
    readonly element = h("div", { class: "menu", role: "menu", hidden: true });
    private before: Element | null = null;

    constructor() {
        this.element.addEventListener("keydown", (event) => this.key(event));
        document.addEventListener("pointerdown", (event) => {
            if (!this.element.contains(event.target as Node)) this.close();
        });
        window.addEventListener("blur", () => this.close());
    }

    open(title: string, items: Item[], x: number, y: number): void {
        this.before = document.activeElement;
        const buttons = items.map(({ text, key, act }) =>
            h(
                "button",
                {
                    type: "button",
                    role: "menuitem",
                    tabindex: -1,
                    click: () => {
                        this.close();
                        act();
                    },
                },
                h("span", {}, text),
                h("kbd", {}, key),
            ),
        );
        const { element } = this;
        element.replaceChildren(h("p", {}, title), ...buttons);
        element.setAttribute("aria-label", title);
        element.hidden = false;
        element.style.left = `${Math.max(4, Math.min(x, innerWidth - element.offsetWidth - 8))}px`;
        element.style.top = `${Math.max(4, Math.min(y, innerHeight - element.offsetHeight - 8))}px`;
        buttons[0]?.focus();
    }

    close(): void {
        if (this.element.hidden) return;
        this.element.hidden = true;
        if (this.before instanceof HTMLElement) this.before.focus();
    }

    private key(event: KeyboardEvent): void {
        const buttons = [...this.element.querySelectorAll("button")];
        const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
        if (event.key === "Escape" || event.key === "Tab") this.close();
        else if (event.key === "ArrowDown") buttons[(at + 1) % buttons.length].focus();
        else if (event.key === "ArrowUp") buttons[(at + buttons.length - 1) % buttons.length].focus();
        else return;
        event.preventDefault();
        event.stopPropagation();
    }
}
