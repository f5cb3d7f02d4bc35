// Search: vertices and boxes by any part of their name.

import { el, name } from "./dom.js";
import { kindName } from "./naming.js";
import { kindOf } from "./model.js";

const MOST = 12;

/** What matches a text, best first: exact, then beginnings, then parts; `only` endpoints if asked. */
export function search(model, text, only = false) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const found = [];
  const look = (label, entry) => {
    const at = label.toLowerCase().indexOf(wanted);
    if (at >= 0) found.push({ ...entry, label, rank: label.length === wanted.length ? 0 : at === 0 ? 1 : 2 });
  };
  if (!only) {
    model.groups.names.forEach((label, id) =>
      look(label, { type: "group", id, about: model.groups.kinds[id] }),
    );
  }
  const last = only ? model.endpoints : model.size;
  for (let v = 0; v < last; v++) {
    look(model.names[v], { type: "vertex", id: v, about: kindName(kindOf(model, v)) });
  }
  return found.sort((a, b) => a.rank - b.rank).slice(0, MOST);
}

/** A list of results under an input, for mouse and keyboard; `choose` gets the entry. */
export function attachSearch(input, list, find, choose) {
  let entries = [];
  let at = 0;
  const close = () => {
    list.hidden = true;
    input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-expanded", "false");
  };
  const take = (entry) => {
    close();
    choose(entry);
  };
  const show = () => {
    entries = find(input.value);
    list.replaceChildren(
      ...entries.map((entry, i) =>
        el(
          "li",
          {
            role: "option",
            id: `${list.id}-${i}`,
            "aria-selected": String(i === at),
            onpointerdown: (event) => {
              event.preventDefault();
              take(entry);
            },
          },
          name(entry.label),
          el("small", {}, entry.about),
        ),
      ),
    );
    if (!entries.length && input.value.trim()) {
      list.replaceChildren(el("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, el("small", {}, "nothing of that name")));
    }
    if (entries.length) input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
    list.hidden = !input.value.trim();
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  input.addEventListener("input", () => {
    at = 0;
    show();
  });
  input.addEventListener("focus", show);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      at = entries.length ? (at + step + entries.length) % entries.length : 0;
      show();
    } else if (event.key === "Enter" && entries[at]) {
      take(entries[at]);
      input.blur();
    } else if (event.key === "Escape") {
      close();
      input.blur();
    }
  });
}
