// Quality against cost, with intervals, and the front: the methods nothing cheaper beats.
function scatterChart(section) {
  const metrics = metricOptions((metric) => metric.cells.some((cell) => cell && cell.v !== null));
  const costs = page.costs
    .filter((cost) => page.methods.some((m) => m.cost[cost.key] !== null))
    .map((cost) => [cost.key, cost.title]);
  if (!metrics.length || !costs.length) {
    section.append(el("p", { class: "note" }, "No run has both a metric and a measured cost."));
    return;
  }
  const metric = menu("Metric", metrics, draw);
  const cost = menu("Cost", costs, draw);
  const chart = el("div", { class: "chart" });
  const note = el("p", { class: "note" });
  section.append(el("div", { class: "controls" }, metric.node, cost.node), methodChips(), chart, note);
  whenMethodsChange(draw);
  draw();

  function draw() {
    const chosen = page.metrics[Number(metric.value())];
    const points = [];
    const left = [];
    for (const number of shownMethods()) {
      const cell = chosen.cells[number];
      const price = page.methods[number].cost[cost.value()];
      if (cell && cell.v !== null && price !== null) points.push({ number, price, ...cell });
      else left.push(page.methods[number].name);
    }
    clear(chart);
    if (points.length) chart.append(drawScatter(points, chosen, cost.select.selectedOptions[0].text));
    const words = [];
    if (left.length) words.push("Not drawn, the number is missing: " + left.join(", ") + ".");
    const devices = new Set(points.map((p) => page.methods[p.number].device));
    if (cost.value() === "seconds_per_image" && devices.size > 1) {
      words.push("Seconds are from different devices: " + [...devices].join("; ") + ".");
    }
    if (points.length > 1 && chosen.higher !== null) {
      words.push("Dashed: the front; no cheaper method has a better value than a method on it.");
    }
    note.textContent = words.join(" ");
  }
}

function front(points, higher) {
  const sign = higher ? 1 : -1;
  const ordered = [...points].sort((a, b) => a.price - b.price || sign * (b.v - a.v));
  let best = -Infinity;
  return ordered.filter((p) => {
    const better = sign * p.v > best;
    if (better) best = sign * p.v;
    return better;
  });
}

function drawScatter(points, metric, costTitle) {
  const narrow = window.innerWidth < 640;
  const [width, height] = narrow ? [420, 380] : [1000, 430];
  const edge = { left: 62, right: narrow ? 16 : 130, top: 30, bottom: 48 };
  const ends = points.flatMap((p) => [p.v, p.lo ?? p.v, p.hi ?? p.v]);
  const [low, high] = padded(ends, 0.08);
  const y = linear(low, high, height - edge.bottom, edge.top);
  const x = costScale(points.map((p) => p.price), edge.left, width - edge.right);
  const what = metric.title + " against " + costTitle;
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": what });
  for (const tick of niceTicks(low, high, 6)) {
    root.append(svg("line", { class: "grid", x1: edge.left, x2: width - edge.right, y1: y(tick), y2: y(tick) }));
    root.append(text(edge.left - 8, y(tick) + 4, tickLabel(tick), "end"));
  }
  for (const tick of x.ticks) {
    root.append(svg("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: edge.top, y2: height - edge.bottom }));
    root.append(text(x.at(tick), height - edge.bottom + 17, tick === 0 ? "0" : compact(tick), "middle"));
  }
  const base = height - edge.bottom;
  root.append(svg("line", { class: "axis", x1: edge.left, x2: width - edge.right, y1: base, y2: base }));
  root.append(text(edge.left - 50, 14, metric.title + "  " + (metric.higher === null ? "" : metric.higher ? "↑ " : "↓ ") + direction(metric), "name"));
  root.append(text((edge.left + width - edge.right) / 2, height - 8, costTitle + (x.ticks.length > 1 ? ", logarithmic" : ""), "middle"));
  if (points.length > 1 && metric.higher !== null) {
    const line = front(points, metric.higher).map((p) => `${x.at(p.price)},${y(p.v)}`);
    root.append(svg("polyline", { class: "front", points: line.join(" ") }));
  }
  // Names keep clear of the points, and are drawn above everything.
  const taken = points.map((p) => ({ x0: x.at(p.price) - 7, x1: x.at(p.price) + 7, y: y(p.v) + 4 }));
  const labels = svg("g", { class: "labels" });
  for (const p of [...points].sort((a, b) => y(a.v) - y(b.v))) {
    const [px, py] = [x.at(p.price), y(p.v)];
    const name = page.methods[p.number].name;
    const said = `${name}: ${show(p.v)} ${p.lo === null ? "" : "[" + showInterval(p.lo, p.hi) + "]"}, ${compact(p.price)}`;
    const group = svg("g", { class: "point c" + (p.number % 8) }, svg("title", {}, said));
    if (p.lo !== null) {
      group.append(svg("line", { class: "bar", x1: px, x2: px, y1: y(p.lo), y2: y(p.hi) }));
      for (const end of [p.lo, p.hi]) {
        group.append(svg("line", { class: "bar", x1: px - 4, x2: px + 4, y1: y(end), y2: y(end) }));
      }
    }
    group.append(svg("circle", { class: "dot", cx: px, cy: py, r: 5.5 }));
    const label = freePlace(px, py, name, width - 4, taken);
    if (label.far) labels.append(svg("line", { class: "leader", x1: px, x2: label.x, y1: py, y2: label.y - 4 }));
    labels.append(text(label.x, label.y, name, label.end ? "name end" : "name", 26));
    root.append(group);
  }
  root.append(labels);
  return root;
}

// The first spot beside the point where the name meets no other name.
function freePlace(px, py, name, most, taken) {
  const width = Math.min(name.length, 26) * 7.2;
  const end = px + 10 + width > most;
  for (const shift of [0, -15, 15, -30, 30, -45, 45, -60, 60, -75, 75]) {
    const [x0, x1] = end ? [px - 10 - width, px - 10] : [px + 10, px + 10 + width];
    const y = py + 4 + shift;
    if (y < 30) continue;
    if (taken.some((t) => x0 < t.x1 && t.x0 < x1 && Math.abs(y - t.y) < 14)) continue;
    taken.push({ x0, x1, y });
    return { x: end ? px - 10 : px + 10, y, end, far: Math.abs(shift) > 15 };
  }
  return { x: px + 10, y: py + 4, end: false, far: false };
}
