/** The dialog of keys. */
import { h } from "./dom";

const KEYS: [string, string][] = [
    ["/", "search; Escape leaves it empty"],
    ["1 \u2026 5", "what is measured: live, grew, allocated, freed, temporary"],
    ["b", "bytes or blocks"],
    ["p  e  w", "the peak, the end, no window"],
    ["[  ]", "the moment before, the next one"],
    ["f  i", "flame or icicle; inverted"],
    ["l  h  y", "one cell a line; plumbing; the interpreter's own frames"],
    ["r  o", "the search as a regular expression; only stacks with a match"],
    ["arrows, Enter", "walk through the stacks, zoom"],
    ["s  x  c", "of the chosen cell: focus on its function, hide that, copy the stack"],
    ["Escape", "one step back: search, choice, zoom, focus"],
    ["d", "dark or light"],
    ["?", "this list"],
];

const MOUSE: [string, string][] = [
    [
        "time line",
        "a click picks a moment, a drag a window; the peak and marks catch the pointer; a double click takes the window away",
    ],
    ["graph", "a click zooms, on the top cell it zooms out; the right button has more"],
    [
        "table",
        "a click lights the row's frames in the graph, or for threads, labels, processes and domains looks at these alone; a double click focuses",
    ],
];

export function helpDialog(): HTMLDialogElement {
    const rows = (list: [string, string][], tag: "kbd" | "b") =>
        list.map(([key, meaning]) => h("tr", {}, h("th", { scope: "row" }, h(tag, {}, key)), h("td", {}, meaning)));
    const dialog = h(
        "dialog",
        { class: "help", "aria-labelledby": "help-title" },
        h("h2", { id: "help-title" }, "Keys"),
        h("table", {}, h("tbody", {}, ...rows(KEYS, "kbd"))),
        h("h2", {}, "Pointer"),
        h("table", {}, h("tbody", {}, ...rows(MOUSE, "b"))),
        h("p", {}, "The address keeps what you look at: copy it, and a colleague who has this file sees the same."),
        h("form", { method: "dialog" }, h("button", {}, "Close")),
    );
    dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
    });
    return dialog;
}
