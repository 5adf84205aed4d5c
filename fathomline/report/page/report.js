"use strict";
const { charts, clades, root } = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 40rem)");
const dark = matchMedia("(prefers-color-scheme: dark)");

// Charts take their colours from the page: the style sheet alone defines light and dark.
function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
  return {
    ...layout,
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: layout.margin ?? { t: 16, r: 8, b: 48, l: 56 },
    xaxis: { ...axis, automargin: true, ...layout.xaxis },
    yaxis: { ...axis, automargin: true, ...layout.yaxis },
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

function draw(element, name) {
  const { data, layout } = charts[name];
  const traces = data.map((trace) => {
    if (trace.type === "icicle") {
      const line = { width: 1, color: getComputedStyle(document.body).backgroundColor };
      return { ...trace, level: shownClade, marker: { ...trace.marker, line, showscale: !narrow.matches } };
    }
    return trace.type === "heatmap" ? { ...trace, showscale: !narrow.matches } : trace;
  });
  const width = name.startsWith("confusion") ? Math.max(element.parentElement.clientWidth, confusionWidth(layout)) : undefined;
  return Plotly.react(element, traces, { ...themed(layout), width }, { ...CONFIG, responsive: !width });
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
    const cells = [clade.rank ?? "", clade.support, formatted(clade.mhd, 3), formatted(clade.accuracy, 3), leaving, clade.mistaken_for ?? ""];
    for (const value of cells) row.insertCell().textContent = value;
  }
  const scroll = Object.assign(document.createElement("div"), { className: "scroll" });
  scroll.append(table);
  find("clade-figures").replaceChildren(scroll);
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
  const rank = find("rank").value;
  find("confusion-caption").textContent = `Truth against prediction by ${rank}`;
  draw(find("chart-confusion"), `confusion_${rank}`);
}
find("rank").addEventListener("change", drawConfusion);

// Galleries show a few cards at first; the worst mistakes can also be filtered.
const FEW = 12;
function gallery(list, passes) {
  const cards = [...list.children];
  const more = Object.assign(document.createElement("button"), { type: "button" });
  let limit = FEW;
  list.after(more);
  function filter() {
    const passing = cards.filter(passes);
    const shown = new Set(passing.slice(0, limit));
    for (const card of cards) card.hidden = !shown.has(card);
    more.hidden = passing.length <= limit;
    more.textContent = `Show all ${passing.length}`;
    return passing.length;
  }
  more.addEventListener("click", () => {
    const next = cards.find((card) => card.hidden && passes(card));
    limit = Infinity;
    filter();
    next.tabIndex = -1;
    next.focus();
  });
  filter();
  return () => { limit = FEW; return filter(); };
}

if (find("gallery-worst")) {
  const [clade, distance] = [find("gallery-clade"), find("gallery-distance")];
  const filter = gallery(find("gallery-worst"), (card) =>
    (clade.value === "" || card.dataset.clades.split(" ").includes(clade.value)) && Number(card.dataset.distance) >= Number(distance.value));
  const count = () => {
    find("gallery-count").textContent = `${filter()} of ${find("gallery-worst").children.length} match`;
  };
  for (const control of [clade, distance]) control.addEventListener("change", count);
  count();
}
if (find("gallery-confident")) gallery(find("gallery-confident"), () => true);

// A click on a column heading sorts the table; cells without data come last in either order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button")?.addEventListener("click", () => {
    const order = heading.ariaSort === "ascending" ? "descending" : "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.ariaSort = order;
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].textContent.trim();
    // A row heading is a name, and a taxon may be named "no data".
    const missing = (row) => row.cells[column].tagName === "TD" && key(row) === "no data";
    const compare = (left, right) => {
      const [a, b] = [key(left), key(right)];
      if (missing(left) || missing(right)) return missing(left) - missing(right);
      return sign * a.localeCompare(b, "en", { numeric: true });
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}

function drawAll() {
  for (const element of document.querySelectorAll("[data-chart]")) draw(element, element.dataset.chart);
  drawConfusion();
}
drawAll();
show("");
find("chart-tree").on("plotly_icicleclick", (event) => {
  const clicked = event.points[0];
  if (clicked.id === shownClade) {
    show(byId.get(shownClade)?.parent ?? "");
  } else {
    show(clicked.id === root ? "" : clicked.id);
  }
  return false; // `show` has drawn the clade
});
dark.addEventListener("change", drawAll);
narrow.addEventListener("change", drawAll);
