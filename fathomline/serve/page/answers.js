"use strict";

// The answers of boxes, as the page shows them. Names come from data and are only ever set as text.

const at = (id) => document.getElementById(id);

function add(parent, tag, text, className) {
  const element = parent.appendChild(document.createElement(tag));
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function percent(probability) {
  if (probability > 0.995) return probability >= 0.9995 ? "100 %" : "99 %";
  return probability < 0.005 ? "< 1 %" : `${Math.round(100 * probability)} %`;
}

// Whether the box has the answer for its rectangle and restriction.
const isCurrent = (box) => box.answered === box.version && box.answeredWithin === (box.within ?? null);

function summaryOf(box) {
  if (!box.result) return "";
  return box.result.answer ? `${box.result.answer.concept} ${percent(box.result.answer.confidence)}` : "no answer";
}

function showList(all) {
  const list = at("list");
  const focused = [...list.children].findIndex((item) => item.contains(document.activeElement));
  list.replaceChildren();
  for (const box of all) {
    const button = add(add(list, "li"), "button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(box === boxes.selected()));
    button.classList.toggle("stale", !isCurrent(box));
    add(button, "span", box.number, "number");
    const name = add(button, "span", box.result?.answer?.concept ?? (isCurrent(box) ? "no answer" : "…"));
    if (box.result?.answer) add(name, "span", ` ${box.result.answer.rank}`, "rank");
    add(button, "span", box.result?.answer ? percent(box.result.answer.confidence) : "", "share");
    button.addEventListener("click", () => {
      boxes.select(box);
      list.children[boxes.all().indexOf(box)]?.firstChild.focus();
    });
  }
  if (focused >= 0) list.children[focused]?.firstChild.focus();
}

function step(list, taxon, className, note) {
  const item = add(list, "li", undefined, className);
  if (taxon.rank) add(item, "span", taxon.rank, "rank");
  const name = add(item, "span", taxon.name, "name");
  if (note) add(name, "span", ` ${note}`, "away");
  add(item, "span", percent(taxon.probability), "share");
  const bar = add(item, "span", undefined, "bar");
  bar.setAttribute("aria-hidden", "true");
  add(bar, "i").style.width = `${100 * taxon.probability}%`;
}

function showDetail(box) {
  at("detail").hidden = !box;
  if (!box) return;
  const answer = box.result?.answer;
  at("detail").classList.toggle("stale", !isCurrent(box));
  at("detail-title").textContent = answer ? `Box ${box.number}: ${answer.concept}` : `Box ${box.number}`;
  showVerdict(box, answer);
  if (document.activeElement !== at("within")) at("within").value = box.within ?? "";
  at("anything").disabled = !box.within;
  const tree = at("tree");
  const top = at("top");
  tree.replaceChildren();
  top.replaceChildren();
  for (const id of ["tree-title", "top-title"]) at(id).hidden = !answer;
  if (!answer) return;
  answer.lineage.forEach((taxon, index) => {
    const last = index === answer.lineage.length - 1;
    step(tree, taxon, last ? "answer" : "", last ? "(the answer)" : "");
  });
  if (answer.below.length) add(tree, "li", "Most probable taxa below the answer:", "note");
  for (const taxon of answer.below) step(tree, taxon, "below");
  for (const each of answer.most_probable.filter((each) => each.concept !== answer.concept).slice(0, 5)) {
    step(top, { name: each.concept, probability: each.probability });
  }
  at("top-title").hidden = !top.children.length;
}

function showVerdict(box, answer) {
  const verdict = at("verdict");
  verdict.replaceChildren();
  if (!answer) return void (verdict.textContent = box.result?.reason ? `No answer: ${box.result.reason}.` : "");
  const accepted = answer.accepted_name === answer.concept ? "" : `, accepted name ${answer.accepted_name}`;
  add(verdict, "span", `${answer.rank}${accepted}, confidence ${percent(answer.confidence)}`);
  if (answer.confidence < 0.5) add(verdict, "span", ": more likely wrong than right");
  if (box.answeredWithin) add(verdict, "span", ` (if it is in ${box.answeredWithin})`);
  if (answer.aphia_id === null) return;
  add(verdict, "span", ". AphiaID ");
  const link = add(verdict, "a", answer.aphia_id);
  link.href = `https://www.marinespecies.org/aphia.php?p=taxdetails&id=${answer.aphia_id}`;
  link.rel = "noreferrer";
  link.target = "_blank";
}
