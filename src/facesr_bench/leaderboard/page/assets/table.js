// Sorting: numbers the best way round first, what is missing always last; HR's row stays below.
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const better = head.querySelector("button").title;
      const first = better === "higher is better" ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = before === first ? other : first;
      for (const each of heads) each.setAttribute("aria-sort", each === head ? order : "none");
      sortRows(table, column, head.dataset.kind, order === "ascending" ? 1 : -1);
    });
  });
}

function sortRows(table, column, kind, sign) {
  const body = table.tBodies[0];
  const value = (row) => row.cells[column].dataset.v;
  const rows = [...body.rows].sort((a, b) => {
    const x = value(a);
    const y = value(b);
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
    return sign * (kind === "number" ? Number(x) - Number(y) : x.localeCompare(y));
  });
  body.append(...rows);
}
