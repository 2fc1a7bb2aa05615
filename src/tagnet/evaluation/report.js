"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const valueOf = (row, column, text) => {
    const cell = row.cells[column];
    return text ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.value ?? cell.textContent);
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    const text = head.dataset.type === "text";
    button.addEventListener("click", () => {
      const first = text ? "ascending" : "descending";
      const other = text ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...body.rows].sort((a, b) => {
        const x = valueOf(a, column, text);
        const y = valueOf(b, column, text);
        return sign * (text ? x.localeCompare(y) : x - y);
      });
      body.append(...rows);
    });
  });
}
const filter = document.getElementById("filter");
const filtered = document.getElementById("tagtable");
if (filter && filtered) {
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of filtered.tBodies[0].rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
}
