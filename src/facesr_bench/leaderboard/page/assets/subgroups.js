// Means by attribute or domain. Every interval is of the group's own images; people are resampled.
function subgroupChart(section) {
  const parts = page.subgroups;
  if (!parts.length) {
    section.append(el("p", { class: "note" }, "Nothing is known of the test images besides their pixels: the data set has no attributes or domains, or the runs are older than attributes.csv and the data is not at hand here."));
    return;
  }
  const all = parts[0].groups[0];
  const metrics = metricOptions((metric) => metric.perImage !== null);
  const options = parts.slice(1).map((part, number) => [String(number + 1), part.name.replaceAll("_", " ")]);
  const metric = menu("Metric", metrics, draw);
  const by = menu("By", options, draw);
  const chart = el("div", { class: "chart" });
  const note = el("p", { class: "note" });
  const numbers = el("details", { class: "numbers" }, el("summary", {}, "The same as numbers"));
  section.append(el("div", { class: "controls" }, by.node, metric.node), methodChips(), chart, numbers, note);
  whenMethodsChange(draw);
  draw();

  function draw() {
    const part = parts[Number(by.value())];
    const groups = [all, ...part.groups];
    const chosen = page.metrics[Number(metric.value())];
    clear(chart).append(drawGroups(groups, metric.value(), chosen, part.name.replaceAll("_", " ")));
    numbers.replaceChildren(numbers.firstChild, groupTable(groups, metric.value()));
    const words = [`Groups ${part.cut}; whiskers are 95 % intervals of the mean.`];
    if (part.unknown) words.push(`${count(part.unknown)} images have no such attribute.`);
    if (groups.some((g) => g.n < 20)) words.push("Groups of fewer than 20 images say little.");
    words.push(`With ${options.length} ways to split the images, some differences as large as an interval are chance.`);
    note.textContent = words.join(" ");
  }
}

function drawGroups(groups, column, metric, by) {
  const narrow = window.innerWidth < 640;
  const methods = shownMethods().filter((m) => groups.some((g) => g.means[column][m]));
  const width = narrow ? 420 : 1000;
  const [left, right, top, line] = narrow ? [14, 16, 34, 13] : [210, 30, 34, 13];
  const head = narrow ? 22 : 0;
  const step = Math.max(methods.length * line + 16 + head, narrow ? 44 : 34);
  const height = top + groups.length * step + 34;
  const ends = groups.flatMap((g) => methods.flatMap((m) => (g.means[column][m] || []).filter((v) => v !== null)));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${metric.title} by ${by}` });
  root.append(text(left, 16, titled(metric), "name"));
  if (!ends.length) return root;
  const [low, high] = padded(ends, 0.04);
  const x = linear(low, high, left, width - right);
  groups.forEach((group, i) => {
    const y = top + i * step;
    if (i % 2 === 0) root.append(svg("rect", { class: "band", x: 0, y, width, height: step }));
    const title = i ? group.label : "all images";
    const size = `${count(group.n)} images` + (group.people ? `, ${count(group.people)} people` : "");
    if (narrow) root.append(text(left, y + 15, `${title} · ${size}`, i ? "name" : "strong"));
    else root.append(text(14, y + step / 2 - 3, title, i ? "name" : "strong", 26), text(14, y + step / 2 + 12, size));
  });
  for (const tick of niceTicks(low, high, narrow ? 5 : 8)) {
    root.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - 26 }));
    root.append(text(x(tick), height - 10, tickLabel(tick), "middle"));
  }
  groups.forEach((group, i) => {
    methods.forEach((number, place) => {
      const cell = group.means[column][number];
      if (!cell) return;
      const y = top + i * step + head + 8 + (place + 0.5) * line + (step - head - 16 - methods.length * line) / 2;
      const [mean, lo, hi] = cell;
      const said = `${page.methods[number].name}: ${show(mean)}` + (lo === null ? "" : ` [${showInterval(lo, hi)}]`);
      const dot = svg("g", { class: "c" + (number % 8) }, svg("title", {}, said));
      if (lo !== null) {
        dot.append(svg("line", { class: "bar", x1: x(lo), x2: x(hi), y1: y, y2: y }));
        for (const end of [lo, hi]) dot.append(svg("line", { class: "bar", x1: x(end), x2: x(end), y1: y - 3, y2: y + 3 }));
      }
      dot.append(svg("circle", { class: "dot", cx: x(mean), cy: y, r: 4.5 }));
      root.append(dot);
    });
  });
  return root;
}

function groupTable(groups, column) {
  const methods = shownMethods();
  const head = el("tr", {}, ...["group", "images", "people"].map((w) => el("th", { scope: "col" }, w)),
    ...methods.map((m) => el("th", { scope: "col", class: "number" }, page.methods[m].name)));
  const rows = groups.map((group, i) =>
    el("tr", {},
      el("th", { scope: "row" }, i ? group.label : "all images"),
      el("td", {}, count(group.n)),
      el("td", {}, group.people ? count(group.people) : "–"),
      ...methods.map((m) => {
        const cell = group.means[column][m];
        return el("td", { class: "number" }, cell ? show(cell[0]) : "–",
          cell && cell[1] !== null ? el("small", {}, showInterval(cell[1], cell[2])) : null);
      })));
  return el("div", { class: "scroll", tabindex: "0" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
}
