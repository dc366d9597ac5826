/** Light or dark, and the colours of frames in either. */
export type Theme = "light" | "dark";

const KEY = "tm-theme";

const preference = matchMedia("(prefers-color-scheme: dark)");

export function currentTheme(): Theme {
    return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

/** Takes the choice of an earlier look, where the browser keeps one for pages from disk; else the system's, and its changes. */
export function beginTheme(changed: () => void): void {
    const show = () => {
        document.documentElement.dataset.theme = stored() ?? (preference.matches ? "dark" : "light");
    };
    show();
    preference.addEventListener("change", () => {
        show();
        changed();
    });
}

function stored(): string | null {
    try {
        const theme = localStorage.getItem(KEY);
        return theme === "light" || theme === "dark" ? theme : null;
    } catch {
        // No store for this page: the system's preference it is.
        return null;
    }
}

export function flipTheme(): void {
    const theme = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
        localStorage.setItem(KEY, theme);
    } catch {
        // It lasts as long as the page then.
    }
}

export function cssColour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Hues that are told apart beside each other; the first go to what is largest. */
const HUES = [252, 68, 155, 310, 25, 195, 110, 345, 280, 45, 225, 130];

export function hueColour(index: number, shade: number, theme: Theme): string {
    const hue = HUES[index % HUES.length];
    const chroma = index < HUES.length ? 0.075 : 0.04;
    return theme === "light"
        ? `oklch(${0.85 + 0.03 * shade} ${chroma} ${hue})`
        : `oklch(${0.44 + 0.045 * shade} ${chroma} ${hue})`;
}

export function greyColour(shade: number, theme: Theme): string {
    return theme === "light" ? `oklch(${0.9 + 0.02 * shade} 0.006 260)` : `oklch(${0.33 + 0.03 * shade} 0.01 260)`;
}

/** -1 (shrank) is blue, 1 (grew) red. */
export function growthColour(growth: number, theme: Theme): string {
    const strength = Math.min(1, Math.abs(growth));
    const hue = growth > 0 ? 28 : 250;
    return theme === "light"
        ? `oklch(${0.93 - 0.19 * strength} ${0.008 + 0.132 * strength} ${hue})`
        : `oklch(${0.34 + 0.16 * strength} ${0.01 + 0.14 * strength} ${hue})`;
}

/** Full colours, of areas and bars. */
export function areaColour(index: number, theme: Theme): string {
    const hue = HUES[index % HUES.length];
    return theme === "light" ? `oklch(0.66 0.13 ${hue})` : `oklch(0.62 0.12 ${hue})`;
}
