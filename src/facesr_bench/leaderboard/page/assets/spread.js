// How single images score: each method's distribution, or its difference to another method.
function spreadChart(section) {
  const metrics = metricOptions((metric) => metric.perImage !== null);
  if (!metrics.length) {
    section.append(el("p", { class: "note" }, "No run left scores of single images (per_image.csv)."));
    return;
  }
  const against = [["", "the values themselves"]].concat(
    page.methods.map((method, number) => [String(number), "difference to " + method.name]),
  );
  const metric = menu("Metric", metrics, draw);
  const base = menu("Shown", against, draw);
  const chart = el("div", { class: "chart" });
  const note = el("p", { class: "note" });
  section.append(el("div", { class: "controls" }, metric.node, base.node), methodChips(), chart, note);
  whenMethodsChange(draw);
  draw();

  function draw() {
    const chosen = page.metrics[Number(metric.value())];
    const other = base.value() === "" ? null : chosen.perImage[Number(base.value())];
    const paired = base.value() !== "";
    const rows = [];
    const left = [];
    for (const number of shownMethods()) {
      if (paired && number === Number(base.value())) continue;
      const values = paired ? differences(chosen.perImage[number], other) : finite(chosen.perImage[number]);
      if (values.length) rows.push({ number, values: values.sort((a, b) => a - b) });
      else left.push(page.methods[number].name);
    }
    clear(chart);
    if (rows.length) chart.append(drawSpread(rows, chosen, paired));
    const words = [];
    const images = page.images;
    words.push("Hill: share of images; box: quarters, the thick line is the median; dot: mean.");
    if (paired && chosen.higher !== null) words.push("Percentages: images on which the method is better than the other.");
    if (images.shown < images.of) words.push(`${count(images.shown)} of ${count(images.of)} images are drawn, chosen by the hash of their key.`);
    if (left.length) words.push("No scores of single images: " + left.join(", ") + ".");
    note.textContent = words.join(" ");
  }
}

function finite(values) {
  return (values || []).filter((v) => v !== null);
}

function differences(values, other) {
  if (!values || !other) return [];
  const found = [];
  values.forEach((v, i) => {
    if (v !== null && other[i] !== null) found.push(v - other[i]);
  });
  return found;
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const under = Math.floor(place);
  const over = Math.min(under + 1, sorted.length - 1);
  return sorted[under] + (place - under) * (sorted[over] - sorted[under]);
}

function drawSpread(rows, metric, paired) {
  const narrow = window.innerWidth < 640;
  const width = narrow ? 420 : 1000;
  const [left, right, step, top] = narrow ? [14, 14, 84, 34] : [150, 150, 62, 34];
  const height = top + rows.length * step + 34;
  const lowest = Math.min(...rows.map((row) => row.values[0]));
  const highest = Math.max(...rows.map((row) => row.values[row.values.length - 1]));
  let [low, high] = padded([lowest, highest], 0.02);
  if (paired) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const x = linear(low, high, left, width - right);
  const what = metric.title + ", image by image" + (paired ? ", differences" : "");
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": what });
  root.append(text(left, 16, (paired ? "difference in " : "") + titled(metric), "name"));
  for (const tick of niceTicks(low, high, narrow ? 5 : 9)) {
    root.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - 26 }));
    root.append(text(x(tick), height - 10, tickLabel(tick), "middle"));
  }
  if (paired) root.append(svg("line", { class: "zero", x1: x(0), x2: x(0), y1: top, y2: height - 26 }));
  const images = Math.max(...rows.map((row) => row.values.length));
  const bins = Math.max(8, Math.min(narrow ? 36 : 64, Math.round(1.4 * Math.sqrt(images))));
  const counts = rows.map((row) => histogram(row.values, low, high, bins));
  const most = Math.max(...counts.flatMap((c, i) => c.map((n) => n / rows[i].values.length)));
  rows.forEach((row, i) => {
    root.append(hillRow(row, counts[i], { x, low, high, most, y: top + (i + 1) * step - 14, room: step - (narrow ? 42 : 22), narrow, left, width, right, paired, metric }));
  });
  return root;
}

function histogram(values, low, high, bins) {
  const counts = new Array(bins).fill(0);
  for (const v of values) counts[Math.min(bins - 1, Math.floor(((v - low) / (high - low || 1)) * bins))]++;
  return counts;
}

function hillRow(row, counts, place) {
  const { x, low, high, most, y, room, narrow, left, width, right, paired, metric } = place;
  const group = svg("g", { class: "row c" + (row.number % 8) });
  const edge = (bin) => x(low + ((high - low) * bin) / counts.length);
  const up = (count) => y - (count / row.values.length / most) * room;
  let path = `M${edge(0)},${y}`;
  counts.forEach((count, bin) => { path += `L${edge(bin + 0.5)},${up(count)}`; });
  group.append(svg("path", { class: "hill", d: path + `L${edge(counts.length)},${y}Z` }));
  const [q1, q2, q3] = [0.25, 0.5, 0.75].map((share) => quantile(row.values, share));
  const mean = row.values.reduce((a, b) => a + b, 0) / row.values.length;
  group.append(svg("rect", { class: "box", x: x(q1), y: y + 2, width: Math.max(0.5, x(q3) - x(q1)), height: 7 }));
  group.append(svg("line", { class: "box median", x1: x(q2), x2: x(q2), y1: y + 1, y2: y + 10 }));
  group.append(svg("circle", { class: "dot", cx: x(mean), cy: y + 5.5, r: 3.6 }));
  counts.forEach((count, bin) => {
    const said = `${show(low + ((high - low) * bin) / counts.length)} to ${show(low + ((high - low) * (bin + 1)) / counts.length)}: ${count} images`;
    group.append(svg("rect", { class: "slice", x: edge(bin), y: y - room, width: edge(1) - edge(0), height: room + 10 }, svg("title", {}, said)));
  });
  const name = page.methods[row.number].name;
  let said = "median " + show(q2);
  if (paired && metric.higher !== null) {
    const won = row.values.filter((v) => (metric.higher ? v > 0 : v < 0)).length;
    said = Math.round((100 * won) / row.values.length) + " % better";
  }
  if (narrow) {
    group.append(text(left, y - room - 4, name, "name", 28), text(width - right, y - room - 4, said, "end"));
  } else {
    group.append(text(left - 10, y + 2, name, "name end", 19), text(width - right + 10, y + 2, said));
  }
  return group;
}
