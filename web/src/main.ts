/** Where the page begins: the data, then the page; or the sentence why there is none. */
import { load } from "./load";
import { Report } from "./model/report";
import { App } from "./ui/app";

async function main(): Promise<void> {
    const into = document.getElementById("app") as HTMLElement;
    try {
        const element = document.getElementById("tm-data") as HTMLElement;
        const data = await load(element.textContent ?? "");
        element.remove();
        new App(new Report(data), into);
        document.documentElement.dataset.ready = "true";
    } catch (error) {
        const sentence = document.createElement("p");
        sentence.className = "failure";
        sentence.setAttribute("role", "alert");
        sentence.textContent = error instanceof Error ? error.message : String(error);
        into.replaceChildren(sentence);
        document.documentElement.dataset.ready = "failed";
    }
    performance.mark("ready");
}

void main();
