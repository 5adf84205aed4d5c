"use strict";
const { charts, captions, clades, root } = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 40rem)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const touched = matchMedia("(pointer: coarse)");

// Charts take their colours from the page: the style sheet alone defines light and dark.
function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
  return {
    ...layout,
    autosize: true,
    // On a touch screen, a finger on a chart scrolls the page, and buttons would always cover a corner.
    dragmode: touched.matches ? false : "zoom",
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: layout.margin ?? { t: 16, r: 8, b: 48, l: 56 },
    xaxis: { ...axis, automargin: true, fixedrange: touched.matches, ...layout.xaxis },
    yaxis: { ...axis, automargin: true, fixedrange: touched.matches, ...layout.yaxis },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
  };
}

// Plotly has buttons that upload a chart to its maker's server; no data may leave this page.
const CONFIG = { displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d"] };

// Width in pixels that fits the longest name of a truth and a column for each prediction.
function confusionWidth({ xaxis, yaxis }) {
  const longest = Math.max(...yaxis.ticktext.map((name) => name.length));
  return 120 + 6 * longest + 15 * xaxis.ticktext.length;
}

// On a phone, a colour scale at the side would squeeze the chart: it lies above, outside of what scrolls.
function drawScale(name, { title, from, to, colorscale, show }) {
  const colours = colorscale.map(([place, colour]) => `${colour} ${100 * place}%`).join(", ");
  const bar = document.createElement("span");
  bar.style.background = `linear-gradient(to right, ${colours})`;
  const labels = document.createElement("span");
  for (const value of [from, (from + to) / 2, to]) labels.append(Object.assign(document.createElement("span"), { textContent: show(value) }));
  find(`scale-${name}`).replaceChildren(title, bar, labels);
}

// How many levels of the tree are shown at once, and the height at which its smallest bar has room for a name.
const [LEVELS, LEVELS_ON_A_PHONE, LINE, LOWEST, HIGHEST] = [8, 3, 20, 260, 900];
const PATH_BAR = 30; // pixels for the bars of the clades above an opened one
function treeShape() {
  const limit = narrow.matches ? LEVELS_ON_A_PHONE : LEVELS;
  const supported = clades.filter((clade) => clade.support > 0);
  let shown = supported.filter((clade) => (shownClade === "" ? clade.parent === "" : clade.id === shownClade));
  let levels = shown.length > 1 ? 1 : 0; // several kingdoms have a bar of the whole tree before them
  const total = shown.reduce((sum, clade) => sum + clade.support, 0);
  let smallest = total;
  while (shown.length > 0 && levels < limit) {
    levels += 1;
    smallest = Math.min(smallest, ...shown.map((clade) => clade.support));
    const ids = new Set(shown.map((clade) => clade.id));
    shown = supported.filter((clade) => ids.has(clade.parent));
  }
  return { levels, height: Math.min(HIGHEST, Math.max(LOWEST, (LINE * total) / smallest)) };
}

function draw(element, name) {
  const { data, layout } = charts[name];
  const shape = { width: undefined, height: layout.height };
  const traces = data.map((trace) => {
    if (trace.type === "icicle") {
      const line = { width: 1, color: getComputedStyle(document.body).backgroundColor };
      const { levels, height } = treeShape();
      shape.height = height;
      if (shownClade !== "") shape.margin = { ...layout.margin, t: PATH_BAR };
      return { ...trace, level: shownClade, maxdepth: levels, marker: { ...trace.marker, line, showscale: !narrow.matches } };
    }
    return trace.type === "heatmap" ? { ...trace, showscale: !narrow.matches } : trace;
  });
  if (name.startsWith("confusion")) shape.width = Math.max(element.parentElement.clientWidth, confusionWidth(layout));
  return Plotly.react(element, traces, { ...themed(layout), ...shape }, { ...CONFIG, responsive: !shape.width, displayModeBar: touched.matches ? false : "hover" });
}

// The tree shows one clade at a time, identified by its id, or "" for the whole tree. Names are only labels.
const byId = new Map(clades.map((clade) => [clade.id, clade]));
let shownClade = "";

function formatted(value, digits) {
  return value === null ? "no data" : value.toFixed(digits);
}

// The table of a clade and its children.
function describe(id) {
  const children = clades.filter((clade) => clade.parent === id && clade.support > 0);
  const rows = id === "" ? children : [byId.get(id), ...children];
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["clade", "rank", "ROIs", "MHD", "accuracy", "answers outside the clade", "mistaken for"]) {
    head.append(Object.assign(document.createElement("th"), { textContent: title }));
  }
  const body = table.createTBody();
  for (const clade of rows) {
    const row = body.insertRow();
    const first = document.createElement("th");
    first.scope = "row";
    if (clade.id === id) {
      first.textContent = clade.taxon;
      first.tabIndex = -1;
    } else {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: clade.taxon });
      button.addEventListener("click", () => {
        show(clade.id);
        find("clade-figures").querySelector("tbody th").focus();
      });
      first.append(button);
    }
    row.append(first);
    const leaving = clade.leaving === null ? "no data" : `${(100 * clade.leaving).toFixed(1)} %`;
    const cells = [clade.rank, clade.support, formatted(clade.mhd, 3), formatted(clade.accuracy, 3), leaving, clade.mistaken_for ?? ""];
    for (const value of cells) row.insertCell().textContent = value;
    row.lastElementChild.className = "names";
  }
  find("clade-figures").replaceChildren(table);
}

function show(id) {
  shownClade = byId.has(id) ? id : "";
  find("clade").value = shownClade;
  find("up").disabled = shownClade === "";
  describe(shownClade);
  draw(find("chart-tree"), "tree");
}

find("clade").addEventListener("change", (event) => show(event.target.value));
find("up").addEventListener("click", () => {
  show(byId.get(shownClade)?.parent ?? "");
  if (find("up").disabled) find("clade").focus();
});

// Confusion at the chosen rank.
function drawConfusion() {
  const name = `confusion_${find("rank").value}`;
  find("confusion-caption").textContent = captions[name];
  draw(find("chart-confusion"), name);
}
find("rank").addEventListener("change", drawConfusion);

// A name that a chart cuts has its full text as a title.
function titled(element, text) {
  const title = element.querySelector(":scope > title") ?? element.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "title"));
  title.textContent = text;
}
function nameTaxa() {
  const { meta } = find("chart-confusion").layout;
  for (const axis of ["x", "y"]) {
    for (const tick of find("chart-confusion").querySelectorAll(`.${axis}tick`)) titled(tick, meta[axis][tick.__data__.x]);
  }
  for (const bar of find("chart-tree").querySelectorAll(".slice")) {
    const { id } = bar.__data__.data.data;
    if (byId.has(id)) titled(bar, byId.get(id).taxon);
  }
}

function drawAll() {
  for (const element of document.querySelectorAll("[data-chart]")) draw(element, element.dataset.chart);
  drawConfusion();
}
function openClade(event) {
  const clicked = event.points[0];
  if (clicked.id === shownClade) {
    show(byId.get(shownClade)?.parent ?? "");
  } else {
    show(clicked.id === root ? "" : clicked.id);
  }
  return false; // `show` has drawn the clade
}
const { marker } = charts.tree.data[0];
drawScale("tree", { title: "MHD", from: marker.cmin, to: marker.cmax, colorscale: marker.colorscale, show: (value) => value.toFixed(1) });
const { colorscale } = charts.confusion_phylum.data[0];
drawScale("confusion", { title: "share", from: 0, to: 1, colorscale, show: (value) => `${100 * value}%` });

drawAll();
show("");
find("chart-tree").on("plotly_icicleclick", openClade);
for (const name of ["tree", "confusion"]) find(`chart-${name}`).on("plotly_afterplot", nameTaxa);
nameTaxa();
dark.addEventListener("change", drawAll);
narrow.addEventListener("change", drawAll);
