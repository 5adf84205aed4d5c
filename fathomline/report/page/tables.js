"use strict";
// Tables and charts that scroll sideways say on which side there is more.
for (const area of document.querySelectorAll(".scroll")) {
  const update = () => {
    const { scrollLeft, clientWidth, scrollWidth } = area;
    const sides = { left: scrollLeft > 1, right: scrollLeft + clientWidth < scrollWidth - 1 };
    area.dataset.more = Object.keys(sides).filter((side) => sides[side]).join(" ");
    area.toggleAttribute("tabindex", scrollWidth > clientWidth + 1); // so that arrow keys can scroll it
    if (area.hasAttribute("tabindex")) area.tabIndex = 0;
  };
  area.addEventListener("scroll", update, { passive: true });
  const sizes = new ResizeObserver(update);
  sizes.observe(area);
  sizes.observe(area.firstElementChild);
}

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
