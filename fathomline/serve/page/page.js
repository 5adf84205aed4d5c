"use strict";

// The page: a picture, its boxes, and the requests for their answers.

const WAIT = 350; // milliseconds without a change before boxes are sent
const BUSY_RETRIES = 5;

let model = null;
let file = null; // the picture as it was chosen
let running = null; // the AbortController of the request under way
let timer = 0;
const boxes = makeBoxes(at("stage"), at("picture"), at("boxes"), boxChanged);

// ---- the picture

function fail(sentence) {
  at("fault").textContent = sentence;
}

async function choose(chosen) {
  if (!chosen) return;
  fail("");
  if (chosen.type && !chosen.type.startsWith("image/")) return fail(`“${chosen.name}” is not a picture. Choose a PNG, JPEG, WebP, GIF or BMP file.`);
  if (model && chosen.size > model.limits.picture_bytes) {
    return fail(`This picture has ${(chosen.size / 2 ** 20).toFixed(1)} MiB, and the server accepts up to ${megabytes()} MiB. Choose a smaller one.`);
  }
  const address = URL.createObjectURL(chosen);
  const trial = new Image();
  trial.src = address;
  try {
    await trial.decode();
  } catch {
    URL.revokeObjectURL(address);
    return fail(`This browser cannot show “${chosen.name}”. Choose a PNG, JPEG, WebP, GIF or BMP file.`);
  }
  running?.abort();
  boxes.clear();
  if (at("picture").src) URL.revokeObjectURL(at("picture").src);
  at("picture").src = address;
  await at("picture").decode();
  file = chosen;
  at("stage").style.setProperty("--ratio", at("picture").naturalWidth / at("picture").naturalHeight);
  at("picture").alt = `The picture ${chosen.name}`;
  at("drop").hidden = true;
  at("workplace").hidden = false;
  show();
  at("add").focus({ preventScroll: true });
}

const megabytes = () => Math.round(model.limits.picture_bytes / 2 ** 20);

for (const id of ["file", "camera"]) {
  at(id).addEventListener("change", () => {
    choose(at(id).files[0]);
    at(id).value = "";
  });
}
at("other").addEventListener("click", () => at("file").click());
document.addEventListener("paste", (event) => choose([...event.clipboardData.files][0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  else fail("Drop the picture itself: save it on this device first, then drop the file.");
});

// ---- the boxes

at("add").addEventListener("click", () => boxes.addInTheMiddle());
at("whole").addEventListener("click", () => boxes.addWhole());
at("remove").addEventListener("click", () => boxes.remove(boxes.selected()));

function boxChanged() {
  show();
  // The last box had the focus, or the button that removed it and is disabled now.
  if (!boxes.all().length) at("add").focus({ preventScroll: true });
  schedule();
}

function schedule() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
}

// ---- the server

function form(asked) {
  const data = new FormData();
  data.append("image", file, file.name || "picture");
  data.append("boxes", JSON.stringify(asked.map((box) => [box.x, box.y, box.w, box.h])));
  data.append("within", JSON.stringify(asked.map((box) => box.within ?? null)));
  return data;
}

async function post(address, data, signal) {
  for (let tries = 1; ; tries++) {
    let response;
    try {
      response = await fetch(address, { method: "POST", body: data, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The server does not respond. Check that it is still running, then try again.");
    }
    if (response.ok) return response;
    if (response.status === 429 && tries < BUSY_RETRIES) {
      await new Promise((later) => setTimeout(later, 1000 * Number(response.headers.get("Retry-After") ?? 1)));
      continue;
    }
    const said = await response.json().catch(() => ({}));
    throw new Error(said.detail ?? `The server refused the request (status ${response.status}).`);
  }
}

async function ask() {
  if (running || !file) return;
  const asked = boxes.all().filter((box) => !isCurrent(box)).slice(0, model?.limits.boxes ?? 1);
  if (!asked.length) return;
  const sent = asked.map((box) => [box.version, box.within ?? null]);
  const control = (running = new AbortController());
  show();
  try {
    const data = form(asked);
    data.append("top", "6");
    const answers = await (await post("predict", data, control.signal)).json();
    answers.answers.forEach((answer, index) => {
      const box = asked[index];
      [box.answered, box.answeredWithin] = sent[index];
      box.result = answer;
    });
    fail("");
  } catch (error) {
    if (error.name !== "AbortError") {
      fail(error.message);
      asked.forEach((box, index) => {
        [box.answered, box.answeredWithin] = sent[index]; // until it is changed
        box.result = null;
      });
    }
  } finally {
    running = null;
    show();
    schedule();
  }
}

const failed = () => boxes.all().filter((box) => isCurrent(box) && !box.result);

at("again").addEventListener("click", () => {
  fail("");
  for (const box of failed()) box.answered = null;
  boxChanged();
});

async function download(name) {
  fail("");
  at("busy").textContent = "Preparing the file…";
  try {
    const response = await post(`answers/${name}`, form(boxes.all()));
    const stated = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = stated ? stated[1] : name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    fail(error.message);
  } finally {
    show();
  }
}

// ---- what is shown

function show() {
  const all = boxes.all();
  const waiting = all.filter((box) => !isCurrent(box)).length;
  at("busy").textContent = waiting ? `Identifying ${waiting === 1 ? "a box" : `${waiting} boxes`}…` : "";
  at("nothing").hidden = all.length > 0;
  if (file) at("nothing").textContent = "Draw a box around an animal, or choose “Whole picture”.";
  at("remove").disabled = !boxes.selected();
  at("downloads").hidden = !all.some((box) => box.result?.answer);
  at("retry").hidden = !failed().length;
  for (const box of all) boxes.label(box, summaryOf(box));
  showList(all);
  showDetail(boxes.selected());
}

// ---- the restriction

function restrict(name) {
  const box = boxes.selected();
  if (!box) return;
  const typed = name.trim().toLowerCase();
  const taxon = model.tree.find((each) => each.name.toLowerCase() === typed);
  if (typed && !taxon) return fail(`The model does not know the taxon “${name}”. Choose one from the list.`);
  fail("");
  box.within = taxon ? taxon.name : null;
  at("within").value = box.within ?? "";
  boxChanged();
}

at("within").addEventListener("change", () => restrict(at("within").value));
at("anything").addEventListener("click", () => restrict(""));

// ---- the model

async function start() {
  try {
    model = await (await fetch("model")).json();
  } catch {
    at("model").textContent = "";
    return fail("The server does not respond. Start it again, then reload this page.");
  }
  document.title = `Identify marine animals: ${model.name}`;
  at("model").textContent = `${model.name} identifies ${model.classes.length} kinds of animals, at whatever rank the picture allows.`;
  at("limits").textContent = `PNG, JPEG, WebP, GIF or BMP, up to ${megabytes()} MiB`;
  const credit = model.attribution ? ` Pictures and labels: ${model.attribution}.` : "";
  at("credit").textContent = `Model: ${model.name}, licence ${model.license}.${credit} fathomline ${model.fathomline}.`;
  for (const taxon of model.tree) {
    const option = add(at("clades"), "option");
    option.value = taxon.name;
    option.label = `${taxon.rank}, ${taxon.concepts} ${taxon.concepts === 1 ? "kind" : "kinds"}`;
  }
  for (const [name, title] of Object.entries(model.formats)) {
    const button = add(at("formats"), "button", title);
    button.type = "button";
    button.addEventListener("click", () => download(name));
  }
}

start();
