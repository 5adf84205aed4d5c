"use strict";

// Boxes on a picture: drawn, moved and resized by mouse, finger and keyboard. A box is {x, y, w, h} in pixels of the
// picture, in whole numbers, and lies inside it.

const SMALLEST = 4; // pixels of the screen; a shorter drag is a click

function makeBoxes(stage, picture, layer, changed) {
  // changed(box): after a box was drawn, moved, resized or selected; box.version grows when its rectangle changes.
  let boxes = [];
  let selected = null;
  let counter = 0;

  const size = () => ({ w: picture.naturalWidth, h: picture.naturalHeight });
  const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

  function place(box, rectangle) {
    const { w, h } = size();
    const width = clamp(Math.round(rectangle.w), 1, w);
    const height = clamp(Math.round(rectangle.h), 1, h);
    const next = { x: clamp(Math.round(rectangle.x), 0, w - width), y: clamp(Math.round(rectangle.y), 0, h - height), w: width, h: height };
    if (["x", "y", "w", "h"].some((key) => box[key] !== next[key])) box.version += 1;
    Object.assign(box, next);
    const style = box.element.style;
    style.left = `${(100 * box.x) / w}%`;
    style.top = `${(100 * box.y) / h}%`;
    style.width = `${(100 * box.w) / w}%`;
    style.height = `${(100 * box.h) / h}%`;
    const tag = box.element.querySelector(".tag");
    tag.classList.toggle("under", box.y < 0.08 * h && box.h < 0.8 * h);
    tag.classList.toggle("leftward", box.x > 0.6 * w);
  }

  function create(rectangle) {
    const element = document.createElement("div");
    element.className = "box";
    element.tabIndex = 0;
    element.setAttribute("role", "button");
    element.setAttribute("aria-describedby", "keys");
    const tag = element.appendChild(document.createElement("span"));
    tag.className = "tag";
    for (const corner of ["nw", "ne", "sw", "se"]) {
      const handle = element.appendChild(document.createElement("span"));
      handle.className = `corner ${corner}`;
      handle.dataset.corner = corner;
    }
    const box = { element, number: ++counter, version: 0, x: -1, y: -1, w: 0, h: 0 };
    element.addEventListener("keydown", (event) => pressed(event, box));
    element.addEventListener("focus", () => select(box));
    boxes.push(box);
    layer.append(element);
    place(box, rectangle);
    label(box, "");
    return box;
  }

  function label(box, text) {
    box.element.querySelector(".tag").textContent = text ? `${box.number} ${text}` : `${box.number}`;
    box.element.setAttribute("aria-label", text ? `Box ${box.number}: ${text}` : `Box ${box.number}`);
  }

  function select(box) {
    if (selected === box) return;
    selected = box;
    for (const each of boxes) each.element.setAttribute("aria-pressed", String(each === box));
    changed(box);
  }

  function remove(box) {
    const index = boxes.indexOf(box);
    if (index < 0) return;
    boxes.splice(index, 1);
    box.element.remove();
    const next = boxes[Math.min(index, boxes.length - 1)] ?? null;
    selected = null;
    if (next) next.element.focus();
    else changed(null);
  }

  function pressed(event, box) {
    const { w, h } = size();
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") remove(box);
    else if (arrow) {
      const step = Math.max(1, Math.round(Math.max(w, h) / 100));
      const [right, down] = [arrow[0] * step, arrow[1] * step];
      if (event.shiftKey) {
        place(box, { ...box, w: clamp(box.w + right, 1, w - box.x), h: clamp(box.h + down, 1, h - box.y) });
      } else place(box, { ...box, x: box.x + right, y: box.y + down });
      changed(box);
    } else return;
    event.preventDefault();
  }

  function position(event) {
    const frame = picture.getBoundingClientRect();
    const { w, h } = size();
    return {
      x: clamp(((event.clientX - frame.left) * w) / frame.width, 0, w),
      y: clamp(((event.clientY - frame.top) * h) / frame.height, 0, h),
      scale: w / frame.width,
    };
  }

  function between(from, to) {
    return { x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), w: Math.abs(to.x - from.x), h: Math.abs(to.y - from.y) };
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || !picture.naturalWidth) return;
    event.preventDefault();
    const start = position(event);
    const touched = boxes.find((box) => box.element.contains(event.target)) ?? null;
    const corner = event.target.dataset?.corner;
    let box = touched;
    if (box) box.element.focus();
    const origin = box && { x: box.x, y: box.y, w: box.w, h: box.h };
    const fixed = corner && { x: corner.includes("w") ? origin.x + origin.w : origin.x, y: corner.includes("n") ? origin.y + origin.h : origin.y };
    stage.setPointerCapture(event.pointerId);

    const move = (next) => {
      if (next.pointerId !== event.pointerId) return;
      const now = position(next);
      const far = Math.max(Math.abs(now.x - start.x), Math.abs(now.y - start.y)) >= SMALLEST * now.scale;
      if (!box && far) box = create(between(start, now));
      if (!box) return;
      if (corner) place(box, between(fixed, now));
      else if (touched) place(box, { ...origin, x: origin.x + now.x - start.x, y: origin.y + now.y - start.y });
      else place(box, between(start, now));
    };
    const end = (last) => {
      if (last.pointerId !== event.pointerId) return;
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", end);
      stage.removeEventListener("pointercancel", end);
      if (!box) return;
      box.element.focus();
      changed(box);
    };
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
  });

  return {
    all: () => [...boxes],
    selected: () => selected,
    label,
    remove,
    select: (box) => box.element.focus({ preventScroll: true }),
    addInTheMiddle() {
      const { w, h } = size();
      const shift = (boxes.length % 5) * 0.04;
      const box = create({ x: w * (0.35 + shift), y: h * (0.35 + shift), w: w * 0.3, h: h * 0.3 });
      box.element.focus();
      changed(box);
    },
    addWhole() {
      const box = create({ x: 0, y: 0, ...size() });
      box.element.focus();
      changed(box);
    },
    clear() {
      for (const box of boxes) box.element.remove();
      boxes = [];
      selected = null;
      counter = 0;
    },
  };
}
