"use strict";
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

// A click on a picture shows its frame and box. The frames are parsed when the first one is shown.
let frames = null;
let shownCard = null;
function cardsWithFrames() {
  return [...shownCard.parentElement.children].filter((card) => !card.hidden && card.dataset.box);
}
function neighbour(step) {
  const cards = cardsWithFrames();
  return cards[cards.indexOf(shownCard) + step];
}
function showFrame(card) {
  shownCard = card;
  frames ??= JSON.parse(find("frames").textContent);
  const [title, about] = ["h3", ".about"].map((part) => card.querySelector(part).cloneNode(true));
  find("frame-title").replaceChildren(...title.childNodes);
  find("frame-about").replaceChildren(...about.childNodes);
  const [src, pixelsWide, pixelsHigh] = frames[card.dataset.image];
  find("frame-picture").src = src;
  find("frame-view").style.setProperty("--aspect", pixelsWide / pixelsHigh);
  find("frame-picture").alt = `Frame with the box of ${card.querySelector("h3").textContent}`;
  const [left, top, width, height] = card.dataset.box.split(" ");
  Object.assign(find("frame-box").style, { left, top, width, height });
  for (const [button, by] of [[find("frame-previous"), -1], [find("frame-next"), 1]]) {
    // A disabled button loses the focus, and the dialog would hear no keys.
    if (!neighbour(by) && document.activeElement === button) find("frame-close").focus();
    button.disabled = !neighbour(by);
  }
  if (!find("frame").open) find("frame").showModal();
}
for (const button of document.querySelectorAll(".open")) button.addEventListener("click", () => showFrame(button.closest(".card")));
function step(by) {
  const next = neighbour(by);
  if (next) showFrame(next);
}
find("frame-previous").addEventListener("click", () => step(-1));
find("frame-next").addEventListener("click", () => step(1));
find("frame-close").addEventListener("click", () => find("frame").close());
find("frame").addEventListener("click", (event) => event.target === find("frame") && find("frame").close());
find("frame").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
find("frame").addEventListener("close", () => shownCard.querySelector(".open").focus());
