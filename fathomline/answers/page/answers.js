"use strict";
const { taxa, answers, ranks, files, skippedFiles, answersPerFile, detailsPerFile, picturesPerFolder } = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const CARDS = 60;
const [NAME, RANK, PARENT, LAST, ROIS, MEAN] = [0, 1, 2, 3, 4, 5];

// Names come from files: they are set as text, never as markup.
function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}
const label = (name) => element("bdi", "", name);
const formatted = (value, digits = 3) => (value === null ? "no data" : value.toFixed(digits));
const counted = (number) => number.toLocaleString("en");

// A page opened from a file may not read files, but it may run scripts: each file of rows is one that calls `loaded`.
const waiting = new Map();
globalThis.loaded = (kind, number, columns) => waiting.get(`${kind}-${number}`).resolve(columns);
function rowsOf(kind, number) {
  const name = `${kind}-${number}`;
  if (!waiting.has(name)) {
    const pending = Promise.withResolvers ? Promise.withResolvers() : {};
    pending.promise ??= new Promise((resolve, reject) => Object.assign(pending, { resolve, reject }));
    waiting.set(name, pending);
    const script = Object.assign(document.createElement("script"), { src: `data/${name}.js` });
    script.addEventListener("error", () => pending.reject(new Error(`data/${name}.js is missing: copy the whole folder of this page, not index.html alone.`)));
    document.head.append(script);
  }
  return waiting.get(name).promise;
}
function tell(error) {
  find("fault").textContent = error.message;
  find("fault").hidden = false;
}
const unpacked = ([texts, places]) => places.map((place) => texts[place]);

// All answers, in the order of the files.
const all = [];
async function load() {
  for (let file = 0; file < files; file += 1) {
    const [row, answer, confidence, path, box, annotation, track, trackAnswer, trackRank, trackConfidence, picture] = await rowsOf("answers", file);
    const [paths, boxes, annotations, tracks, names, trackRanks] = [path, box, annotation, track, trackAnswer, trackRank].map(unpacked);
    row.forEach((number, place) => all.push({
      row: number, answer: answers[answer[place]], confidence: confidence[place], path: paths[place], box: boxes[place],
      annotation: annotations[place], track: tracks[place], trackAnswer: names[place], trackRank: trackRanks[place],
      trackConfidence: trackConfidence[place], picture: picture[place] === 1, place: file * answersPerFile + place,
    }));
    waiting.delete(`answers-${file}`);
  }
  for (const each of all) if (each.track) tracked.set(each.track, (tracked.get(each.track) ?? 0) + 1);
}
const tracked = new Map();

// What is shown: one clade (an index of `taxa`, -1 for all), one track or "" for all, and a text to find.
let [clade, track, matching, shown] = [-1, "", [], 0];
// Order of the input decides between equals.
const compare = {
  low: (a, b) => (a.confidence ?? -1) - (b.confidence ?? -1) || a.row - b.row,
  high: (a, b) => (b.confidence ?? -1) - (a.confidence ?? -1) || a.row - b.row,
  path: (a, b) => collator.compare(a.path, b.path) || a.row - b.row,
  row: (a, b) => a.row - b.row,
};
const collator = new Intl.Collator("en", { numeric: true });

function update() {
  const words = find("find").value.trim().toLowerCase();
  const holds = (text) => text.toLowerCase().includes(words);
  const found = new Set(answers.filter(([concept, accepted]) => holds(concept) || holds(accepted)));
  const [first, last] = clade < 0 ? [0, taxa.length] : [clade, taxa[clade][LAST]];
  matching = all.filter((each) => each.answer[4] >= first && each.answer[4] <= last && (track === "" || each.track === track)
    && (words === "" || found.has(each.answer) || holds(each.path)));
  matching.sort(compare[find("sort").value]);
  find("clade").replaceChildren(clade < 0 ? "All clades" : label(taxa[clade][NAME]));
  if (clade >= 0) find("clade").append(` (${taxa[clade][RANK]})`);
  find("count").textContent = `${counted(matching.length)} of ${counted(all.length)} answers`;
  find("track").hidden = track === "";
  find("track").textContent = `Track ${track} ✕`;
  find("track").setAttribute("aria-label", `Show all tracks, not only ${track}`);
  find("gallery").replaceChildren();
  shown = 0;
  showMore();
}

function showMore() {
  const next = matching.slice(shown, shown + CARDS);
  find("gallery").append(...next.map(card));
  shown += next.length;
  find("more").hidden = shown >= matching.length;
  find("more").textContent = `Show more: ${counted(matching.length - shown)} left`;
}

function picture(roi) {
  if (!roi.picture) return element("p", "empty", "no picture");
  const src = `pictures/${Math.floor(roi.row / picturesPerFolder)}/${roi.row}.jpg`;
  return Object.assign(document.createElement("img"), { src, alt: `Box answered as ${roi.answer[0]}`, loading: "lazy", width: 112, height: 112 });
}

function meter(value) {
  const made = Object.assign(document.createElement("meter"), { min: 0, max: 1, value: value ?? 0 });
  made.ariaHidden = "true";
  return made;
}

function card(roi) {
  const [concept, accepted, rank, aphia] = roi.answer;
  const text = element("div", "", element("h3", "", label(concept)));
  if (accepted !== concept) text.append(element("p", "", "accepted name: ", label(accepted)));
  text.append(element("p", "", meter(roi.confidence), ` ${formatted(roi.confidence)} · ${rank}`));
  text.append(element("p", "where", label(roi.path)));
  const part = element("p", "where");
  if (roi.annotation) part.append("annotation ", label(roi.annotation));
  if (roi.box) part.append(`${roi.annotation ? " · " : ""}box ${roi.box}`);
  if (part.hasChildNodes()) text.append(part);
  if (roi.track) {
    const button = element("button", "", "track ", label(roi.track), ` (${counted(tracked.get(roi.track))})`);
    button.type = "button";
    button.addEventListener("click", () => { track = roi.track; update(); find("track").focus(); });
    text.append(element("p", "", button, ": ", label(roi.trackAnswer), `, ${roi.trackRank}, ${formatted(roi.trackConfidence)}`));
  }
  const details = element("details", "", element("summary", "", "Probabilities"));
  if (aphia !== null) details.append(element("p", "", `AphiaID ${aphia}`));
  details.addEventListener("toggle", () => describe(details, roi).catch(tell), { once: true });
  return element("li", "card", picture(roi), text, details);
}

async function describe(details, roi) {
  const columns = await rowsOf("details", Math.floor(roi.place / detailsPerFile));
  const place = roi.place % detailsPerFile;
  const list = element("ol", "probable");
  for (const node of lineage(roi.answer[4])) {
    const depth = ranks.indexOf(taxa[node][RANK]);
    const probability = depth < 0 ? roi.confidence : columns[depth][place];
    list.append(element("li", "", meter(probability), ` ${formatted(probability)} `, label(taxa[node][NAME]), " ", element("span", "rank", taxa[node][RANK])));
  }
  details.append(list);
  if (columns.length === ranks.length) return;
  details.append(element("p", "", "Most probable concepts"));
  const probable = element("ol", "probable");
  for (let column = ranks.length; column < columns.length; column += 2) {
    const [[names, places], probabilities] = [columns[column], columns[column + 1]];
    probable.append(element("li", "", meter(probabilities[place]), ` ${formatted(probabilities[place])} `, label(names[places[place]])));
  }
  details.append(probable);
}

function lineage(node) {
  const path = [];
  for (let each = node; each >= 0; each = taxa[each][PARENT]) path.unshift(each);
  return path;
}

// The tree opens level by level.
const children = new Map([[-1, []]]);
taxa.forEach((taxon, node) => {
  children.set(node, []);
  children.get(taxon[PARENT]).push(node);
});

function select(node) {
  clade = node;
  find("tree").querySelector('[aria-current="true"]')?.removeAttribute("aria-current");
  find("tree").querySelector(`[data-taxon="${node}"]`)?.setAttribute("aria-current", "true");
  update();
}

function line(node, name, rois, mean) {
  const choose = element("button", "name", label(name), element("span", "figure", counted(rois)), element("span", "figure mean", formatted(mean, 2)));
  Object.assign(choose, { type: "button", title: node < 0 ? "" : taxa[node][RANK] });
  choose.dataset.taxon = node;
  choose.addEventListener("click", () => select(node));
  const fold = element("button", "fold");
  Object.assign(fold, { type: "button", ariaExpanded: "false", ariaLabel: `Taxa below ${name}` });
  if (node < 0 || children.get(node).length === 0) fold.style.visibility = "hidden";
  const item = element("li", "", element("div", "taxon", fold, choose));
  fold.addEventListener("click", () => unfold(item, fold, node));
  return item;
}

function unfold(item, fold, node) {
  const open = fold.ariaExpanded !== "true";
  fold.ariaExpanded = String(open);
  if (open && item.children.length === 1) {
    const below = element("ul", "", ...children.get(node).map((child) => line(child, ...figures(child))));
    item.append(below);
    if (below.children.length === 1) below.querySelector(".fold").click(); // a chain without a choice opens at once
  }
  if (item.children.length > 1) item.children[1].hidden = !open;
  const chosen = find("tree").querySelector(`[data-taxon="${clade}"]`);
  chosen?.setAttribute("aria-current", "true");
}
const figures = (node) => [taxa[node][NAME], taxa[node][ROIS], taxa[node][MEAN]];

// Skipped rows, a file at a time.
let skippedFile = 0;
async function showSkipped() {
  const columns = (await rowsOf("skipped", skippedFile)).map(unpacked);
  const body = find("skipped").querySelector("tbody");
  columns[0].forEach((_, place) => body.append(element("tr", "", ...columns.map((column) => element("td", "", label(column[place]))))));
  skippedFile += 1;
  find("more-skipped").hidden = skippedFile >= skippedFiles;
}
find("skipped")?.addEventListener("toggle", () => showSkipped().catch(tell), { once: true });
find("more-skipped")?.addEventListener("click", () => showSkipped().catch(tell));

const kingdoms = children.get(-1);
const rois = kingdoms.reduce((sum, node) => sum + taxa[node][ROIS], 0);
const mean = rois ? kingdoms.reduce((sum, node) => sum + taxa[node][ROIS] * taxa[node][MEAN], 0) / rois : null;
find("mean").textContent = formatted(mean);
find("different").textContent = counted(answers.length);
find("tree").append(line(-1, "All clades", rois, mean), ...kingdoms.map((node) => line(node, ...figures(node))));
if (kingdoms.length === 1) find("tree").children[1].querySelector(".fold").click();
if (matchMedia("(max-width: 50rem)").matches) find("clades").open = false;

let typing;
find("find").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(update, 150); });
find("sort").addEventListener("change", update);
find("controls").addEventListener("submit", (event) => event.preventDefault());
find("track").addEventListener("click", () => { track = ""; update(); find("find").focus(); });
find("more").addEventListener("click", () => {
  const next = find("gallery").children.length;
  showMore();
  const first = find("gallery").children[next];
  first.tabIndex = -1;
  first.focus({ preventScroll: true });
});
// Scrolling to the end shows more, too.
new IntersectionObserver(([end]) => { if (end.isIntersecting && shown > 0 && !find("more").hidden) showMore(); }, { rootMargin: "600px" }).observe(find("more"));
load().then(() => select(-1)).catch((error) => { tell(error); find("count").textContent = ""; });
