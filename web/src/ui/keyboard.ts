/** Keys of the whole page; those of the graph and the time line are theirs. */
import { measuresOf } from "../model/measure";
import type { View } from "../model/view";
import type { Actions } from "./app";

export function listenToKeys(view: View, actions: Actions): void {
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
        const target = event.target as HTMLElement;
        if (document.querySelector("dialog[open]") !== null) return;
        if (event.key === "Escape") {
            actions.back();
            return;
        }
        if (target instanceof HTMLInputElement) return;
        const act = actionOf(event.key, view, actions);
        if (act === undefined) return;
        event.preventDefault();
        act();
    });
}

function actionOf(key: string, view: View, actions: Actions): (() => void) | undefined {
    const { report } = view;
    const measure = measuresOf(report)[Number(key) - 1];
    if (measure !== undefined) return () => actions.measure(measure);
    const always: Record<string, () => void> = {
        "/": () => actions.focusSearch(),
        "?": () => actions.help(),
        b: () => actions.set({ unit: view.state.unit === "bytes" ? "blocks" : "bytes" }),
        f: () => actions.set({ shape: view.state.shape === "flame" ? "icicle" : "flame" }),
        i: () => actions.flip("inverted"),
        l: () => actions.flip("byLine"),
        h: () => actions.flip("plumbing"),
        y: () => actions.flip("interpreter"),
        r: () => actions.flip("regex"),
        o: () => actions.flip("only"),
        d: () => actions.theme(),
        s: () => actions.ofSelected("focus"),
        x: () => actions.ofSelected("hide"),
        c: () => actions.ofSelected("copy"),
    };
    if (report.data.kind === "recording") {
        always.p = () => actions.moment(report.data.peakBoundary);
        always.e = () => actions.moment(report.nSlices);
        always.w = () => actions.window(0, report.nSlices);
        always["["] = () => actions.moment(Math.max(0, view.state.moment - 1));
        always["]"] = () => actions.moment(Math.min(report.nSlices, view.state.moment + 1));
    }
    return always[key];
}
