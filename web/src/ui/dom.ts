/** Makes elements. Text goes in as text only; style is set through the object model, since the policy forbids it as an attribute. */
type Value = string | number | boolean | null | ((event: never) => void);
export type Child = Node | string | null;

export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    attributes: Record<string, Value> = {},
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(name, value as EventListener);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null) element.setAttribute(name, String(value));
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

/** A row of buttons of which one is pressed. */
export interface Segments<T extends string> {
    element: HTMLElement;
    show(pressed: T): void;
}

export function segments<T extends string>(
    label: string,
    options: readonly (readonly [T, string, string])[],
    choose: (value: T) => void,
): Segments<T> {
    const buttons = options.map(([value, text, title]) =>
        h("button", { type: "button", title, "data-value": value, click: () => choose(value) }, text),
    );
    const element = h("div", { class: "segments", role: "group", "aria-label": label }, ...buttons);
    const show = (pressed: T) => {
        for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === pressed));
    };
    return { element, show };
}

export function toggle(text: string, title: string, name: string, flip: () => void): HTMLButtonElement {
    return h("button", { type: "button", class: "toggle", title, "data-toggle": name, click: flip }, text);
}

/** Puts text on the clipboard; on pages without the right to (from disk, in some browsers) by the older way. */
export async function copy(text: string): Promise<void> {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
    }
}
