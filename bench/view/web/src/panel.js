// The panel beside the map: the machine, details of what is chosen, routes, traffic.

import { byId, el, facts, name } from "./dom.js";
import { bandwidth, count, percent, plural, time } from "./format.js";
import { binAt, themeName } from "./look.js";
import { bandwidthOf, countsOf, kindOf, latencyOf } from "./model.js";
import { bundleName, kindName, lineName, linkName, sourcesOf } from "./naming.js";
import { packetsPane } from "./packets.js";
import { css, planeColour, THEMES } from "./palette.js";
import { routesOn } from "./routes.js";
import { linesAt } from "./scene.js";
import { attachSearch, search } from "./search.js";
import { trafficPane } from "./hot.js";

const TABS = { machine: "Machine", details: "Details", routes: "Routes", traffic: "Traffic", packets: "Packets" };

/** Whether there is anything to show in a tab. */
export function hasTab(scenes, key) {
  if (key === "traffic") return scenes[0].traffic !== null;
  return key !== "packets" || scenes.some(({ traffic }) => traffic && traffic.packets);
}

export function drawTabs(app) {
  const { state } = app.store;
  const moved = byId("tabs").contains(document.activeElement);
  const tabs = Object.entries(TABS).filter(([key]) => hasTab(app.scenes, key));
  byId("tabs").replaceChildren(
    ...tabs.map(([key, label]) =>
      el("button", {
        type: "button", role: "tab", id: `tab-${key}`, "aria-selected": String(state.tab === key),
        "aria-controls": "pane", tabindex: state.tab === key ? 0 : -1,
        onclick: () => app.store.set({ tab: key }),
        onkeydown: (event) => turn(app, tabs.map(([one]) => one), event),
      }, label),
    ),
  );
  byId("pane").setAttribute("aria-labelledby", `tab-${state.tab}`);
  if (moved) byId(`tab-${state.tab}`).focus();
}

/** Arrow keys go from tab to tab, and with them the focus. */
function turn(app, keys, event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  app.store.set({ tab: keys[(keys.indexOf(app.store.state.tab) + step + keys.length) % keys.length] });
}

export function drawPane(app) {
  const panes = { machine: machinePane, details: detailsPane, routes: routesPane, traffic: trafficPane, packets: packetsPane };
  byId("pane").replaceChildren(...panes[app.store.state.tab](app).filter(Boolean));
}

function swatch(app, model, plane) {
  const mark = el("i", { class: "swatch" });
  mark.style.background = css(planeColour(model, THEMES[themeName(app.store.state)], plane));
  return mark;
}

function machinePane(app) {
  return app.scenes.flatMap(({ model }, i) => {
    if (i && model === app.scenes[0].model) return [];
    const counts = countsOf(model);
    return [
      el("h2", { id: i ? null : "machine-title" }, name(model.name)),
      facts([
        counts.racks ? ["racks of nodes", count(counts.racks)] : null,
        ["nodes", count(counts.nodes)],
        ...Object.entries(counts.kinds).map(([kind, n]) => [plain(kind), count(n)]),
        ["links, one way each", count(counts.links)],
      ]),
      el("h2", {}, "Planes"),
      planeTable(app, model, counts),
      ...goneFacts(model, counts),
      i ? null : el("p", { class: "faint" }, "Click a die, a switch or a line for its facts. Two endpoints show every route between them."),
    ];
  });
}

function plain(kind) {
  const known = kindName(kind);
  return known === kind ? kind : `${known}s`.replace("NPU dies", "NPU dies").replace("Qingtian cards", "Qingtian cards");
}

function planeTable(app, model, counts) {
  const rows = model.planes.map((plane, p) =>
    el("tr", {},
      el("td", {}, el("h3", {}, swatch(app, model, p), name(plane.name)), plane.note ? el("small", {}, plane.note) : null),
      el("td", { class: "n", "data-count": plane.name }, count(counts.planes[plane.name])),
    ),
  );
  return el("table", {}, el("tr", {}, el("th", {}, "plane"), el("th", { class: "n" }, "links")), rows);
}

function goneFacts(model, counts) {
  if (!counts.goneLinks && !model.removed.length) return [];
  return [
    el("h2", {}, "Taken out"),
    facts([
      counts.goneVertices ? ["chips and endpoints", count(counts.goneVertices)] : null,
      counts.goneLinks ? ["links", count(counts.goneLinks)] : null,
    ]),
    el("ul", { class: "list", id: "removed" }, model.removed.slice(0, 40).map((text) => el("li", {}, name(text)))),
    model.removed.length > 40 ? el("p", { class: "faint" }, `and ${count(model.removed.length - 40)} more`) : null,
  ];
}

function detailsPane(app) {
  const { selected } = app.store.state;
  const scene = app.scenes[0];
  if (!selected) return [el("p", { class: "faint" }, "Nothing is chosen. Click the map, or search.")];
  if (selected.type === "vertex") return vertexDetails(app, scene, selected.id);
  if (selected.type === "group") return groupDetails(app, scene, selected.id);
  return lineDetails(app, scene, selected);
}

function vertexDetails(app, scene, v) {
  const { model } = scene;
  const links = [...model.out.list.subarray(model.out.begin[v], model.out.begin[v + 1])];
  const endpoint = v < model.endpoints;
  const set = (key) => () => app.store.set({ [key]: v, tab: "routes" });
  return [
    el("h2", {}, name(model.names[v])),
    facts([
      ["what", kindName(kindOf(model, v))],
      ["in", model.groups.names[model.group[v]]],
      model.package[v] >= 0 ? ["package (NPU)", model.package[v]] : null,
      model.vertexGone[v] ? ["state", "taken out"] : null,
    ]),
    endpoint
      ? el("p", { class: "row" },
          el("button", { type: "button", onclick: set("from") }, "Route from here"),
          el("button", { type: "button", onclick: set("to") }, "Route to here"))
      : null,
    el("h2", {}, "Links out"),
    linkTable(app, model, links),
    ...sourceTexts(model, links),
    ...nowOn(app, scene, links),
  ];
}

function linkTable(app, model, links) {
  const groups = new Map();
  for (const e of links) {
    const key = `${model.links.plane[e]} ${model.kind[model.links.dst[e]]} ${model.links.bandwidth[e]} ${model.links.latency[e]} ${model.links.gone[e]}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(e);
  }
  const rows = [...groups.values()].map((list) => {
    const [e] = list;
    const to = bundleEnd(model, list);
    return el("tr", {},
      el("td", {}, el("h3", {}, swatch(app, model, model.links.plane[e]), name(model.planes[model.links.plane[e]].name)), el("small", {}, "to ", name(to))),
      el("td", { class: "n" }, `${count(list.length)} × ${bandwidth(bandwidthOf(model, e))}`, el("br"),
        el("small", {}, model.links.gone[e] ? "taken out" : time(latencyOf(model, e)))),
    );
  });
  return el("table", {}, rows);
}

function bundleEnd(model, links) {
  return bundleName(model, links).split("->")[1].replace(/ \([^()]*\)$/, "");
}

function sourceTexts(model, links) {
  const texts = new Set(links.flatMap((e) => sourcesOf(model, e).map((source) => source.text)));
  if (!texts.size) return [el("p", { class: "faint" }, "The topology's file or program gives these numbers; no source is stated.")];
  return [el("h2", {}, "Where the numbers come from"), ...[...texts].map((text) => el("p", { class: "source" }, text))];
}

function nowOn(app, scene, links) {
  const { traffic } = scene;
  if (!traffic) return [];
  const bin = binAt(traffic, app.store.state.time);
  const rows = [];
  const seen = new Set();
  for (const e of links) {
    const r = traffic.resource[e] - 1;
    if (r < 0 || seen.has(r) || bin < 0) continue;
    seen.add(r);
    const at = r * traffic.bins + bin;
    rows.push([bundleEnd(scene.model, [e]), percent(traffic.utilisation[at] / 255)]);
  }
  if (!rows.length) return [];
  return [el("h2", {}, "In use now"), facts(rows.slice(0, 12))];
}

function groupDetails(app, scene, g) {
  const { model } = scene;
  const members = [...model.members.list.subarray(model.members.begin[g], model.members.begin[g + 1])];
  const kinds = new Map();
  for (const v of members) kinds.set(kindOf(model, v), (kinds.get(kindOf(model, v)) || 0) + 1);
  const inside = new Set(members);
  const leaving = members.flatMap((v) =>
    [...model.out.list.subarray(model.out.begin[v], model.out.begin[v + 1])].filter(
      (e) => !inside.has(model.links.dst[e]) && !model.links.gone[e],
    ),
  );
  const perPlane = model.planes.map((_, p) => leaving.filter((e) => model.links.plane[e] === p));
  return [
    el("h2", {}, name(model.groups.names[g])),
    facts([
      model.groups.rack[g] >= 0 ? ["rack", `${model.groups.rack[g]} (nodes in order; which rack is not published)`] : null,
      ...[...kinds].map(([kind, n]) => [plain(kind), count(n)]),
    ]),
    el("h2", {}, "Bandwidth that leaves it"),
    facts(perPlane.flatMap((links, p) => links.length
      ? [[model.planes[p].name, `${bandwidth(links.reduce((sum, e) => sum + bandwidthOf(model, e), 0))} over ${plural(links.length, "link")}`]]
      : [])),
    members.length <= 40
      ? el("ul", { class: "list" }, members.map((v) => el("li", {},
          el("button", { type: "button", class: "link", onclick: () => app.choose({ type: "vertex", id: v }) }, name(model.names[v])))))
      : null,
  ];
}

function lineDetails(app, scene, { id, level }) {
  const { model } = scene;
  const lines = linesAt(scene, level);
  const links = [...lines.members.list.subarray(lines.members.begin[id], lines.members.begin[id + 1])];
  const [e] = links;
  const plane = lines.plane[id];
  const alive = links.filter((l) => !model.links.gone[l]);
  const each = new Set(links.map((l) => bandwidth(bandwidthOf(model, l))));
  const late = new Set(links.map((l) => time(latencyOf(model, l))));
  return [
    el("h2", {}, name(level === "link" ? linkName(model, e).replace("->", " ↔ ") : lineName(scene, level, id))),
    facts([
      ["plane", model.planes[plane].name],
      ["links", `${count(links.length)}, one way each`],
      links.length > alive.length ? ["taken out", count(links.length - alive.length)] : null,
      ["bandwidth of a link", [...each].join(", ")],
      ["all of them, both ways", bandwidth(lines.bandwidth[id])],
      ["latency of a link", [...late].join(", ")],
    ]),
    level === "link" ? null : el("p", { class: "faint" }, "A bundle at this level of detail; set Detail to links to see each."),
    ...sourceTexts(model, links.slice(0, 4000)),
    ...(level === "link" ? nowOn(app, scene, links) : []),
  ];
}

function routesPane(app) {
  const { state } = app.store;
  const { model } = app.scenes[0];
  const parts = [
    el("h2", {}, "Routes between two endpoints"),
    endInput(app, "from", "From"),
    endInput(app, "to", "To"),
    el("p", { class: "row" },
      el("button", { type: "button", onclick: () => app.store.set({ from: state.to, to: state.from }) }, "Swap"),
      el("button", { type: "button", onclick: () => app.store.set({ from: null, to: null }) }, "Clear")),
  ];
  if (state.from === null || state.to === null) {
    parts.push(el("p", { class: "faint" }, `Click the ${state.from === null ? "first" : "second"} endpoint on the map, or type its name.`));
    return parts;
  }
  app.scenes.forEach((scene, i) => {
    if (i && scene.model === app.scenes[0].model) return;
    const a = app.sameVertex(scene, state.from);
    const b = app.sameVertex(scene, state.to);
    if (i) parts.push(el("h2", {}, name(scene.traffic ? scene.traffic.title : scene.model.name)));
    if (a < 0 || b < 0) parts.push(el("p", { class: "faint" }, "An endpoint of that name is not here."));
    else parts.push(...scene.model.planes.flatMap((_, p) => planeRoutes(app, scene.model, p, a, b)));
  });
  parts.push(el("p", { class: "faint" }, `Shortest routes, bytes spread evenly hop by hop. Traffic takes the first of ${model.planes.map((p) => p.name).join(", ")} that connects the two.`));
  return parts;
}

function endInput(app, key, label) {
  const { model } = app.scenes[0];
  const chosen = app.store.state[key];
  const input = el("input", { type: "text", id: `route-${key}`, role: "combobox", "aria-expanded": "false", "aria-controls": `route-${key}-results`, "aria-autocomplete": "list", "aria-label": label, value: chosen === null ? "" : model.names[chosen], autocomplete: "off", spellcheck: "false" });
  const list = el("ul", { id: `route-${key}-results`, class: "results", role: "listbox", "aria-label": "Found", hidden: true });
  attachSearch(input, list, (text) => search(model, text, true), (entry) => app.store.set({ [key]: entry.id }));
  return el("div", { class: "ends" }, el("span", { class: "faint" }, label), el("div", { class: "finder" }, input, list));
}

function planeRoutes(app, model, p, a, b) {
  const found = routesOn(model, p, a, b);
  const title = el("h3", {}, swatch(app, model, p), name(model.planes[p].name));
  if (!found) return [title, el("p", { class: "faint" }, "no way on this plane")];
  const listed = found.list.map((route) =>
    el("li", { class: "path" },
      el("div", { class: "split" }, name(route.path.map((v) => model.names[v]).join(" → ")), el("span", {}, percent(route.weight))),
      route.parallel > 1 ? el("small", {}, `over ${plural(route.parallel, "combination")} of parallel links`) : null),
  );
  const standing = found.list.reduce((sum, route) => sum + route.parallel, 0);
  return [
    title,
    facts([
      ["routes", count(found.count)],
      ["links on them", count(found.links.size)],
      ["hops", found.hops],
      ["latency", time(found.latency)],
    ]),
    el("details", { open: found.list.length <= 8 }, el("summary", {}, "each with its weight"), el("ul", { class: "list" }, listed),
      standing < found.count ? el("p", { class: "faint" }, `and ${count(found.count - standing)} more`) : null),
  ];
}
