"use strict";
// Sorting and filtering; without this the page shows everything, in the order of the run.
(() => {
  const sortable = document.querySelectorAll("table.sortable");
  for (const table of sortable) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead th").forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === "" || y === "") return (x === "") - (y === "");
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
  }
  const filter = (input, items, count) => {
    const apply = () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = (item.dataset.find ?? item.textContent).toLowerCase();
        item.hidden = !wanted.every((word) => text.includes(word));
        shown += !item.hidden;
      }
      count.textContent = `${shown} of ${items.length}`;
    };
    input.addEventListener("input", apply);
    apply();
  };
  for (const box of document.querySelectorAll("[data-filter]")) {
    const items = [...document.querySelectorAll(box.dataset.filter)];
    box.hidden = items.length < 2;
    filter(box.querySelector("input"), items, box.querySelector("output"));
  }
  const sections = [...document.querySelectorAll("main > section")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    if (event.key === "/") {
      const input = document.querySelector("#gallery input, #cells input");
      if (!input) return;
      event.preventDefault();
      input.closest("details")?.setAttribute("open", "");
      input.focus();
    } else if (event.key === "j" || event.key === "k") {
      const tops = sections.map((section) => section.getBoundingClientRect().top);
      const next = event.key === "j" ? tops.findIndex((top) => top > 8) : tops.findLastIndex((top) => top < -8);
      if (next >= 0) sections[next].scrollIntoView();
    }
  });
  document.documentElement.dataset.ready = "yes";
})();
