// Choices: which methods are drawn (for all charts together), and menus of one chart.
const listeners = [];
const hiddenMethods = new Set();

function shownMethods() {
  return page.methods.map((_, number) => number).filter((number) => !hiddenMethods.has(number));
}

function whenMethodsChange(draw) {
  listeners.push(draw);
}

function methodChips() {
  const boxes = [];
  const chips = page.methods.map((method, number) => {
    const box = el("input", {
      type: "checkbox",
      checked: !hiddenMethods.has(number),
      onchange: () => {
        if (box.checked) hiddenMethods.delete(number);
        else hiddenMethods.add(number);
        for (const draw of listeners) draw();
      },
    });
    boxes.push(box);
    const swatch = el("i", { class: "swatch c" + (number % 8), "aria-hidden": "true" });
    return el("label", { title: method.name }, box, swatch, el("span", {}, method.name));
  });
  whenMethodsChange(() => boxes.forEach((box, number) => { box.checked = !hiddenMethods.has(number); }));
  return el("fieldset", { class: "chips" }, el("legend", { class: "hidden" }, "Methods shown"), ...chips);
}

// A menu; options are [value, title] pairs. Returns the label to place and a function that reads it.
function menu(title, options, onchange) {
  const select = el(
    "select",
    { onchange: () => onchange(select.value) },
    ...options.map(([value, words]) => el("option", { value }, words)),
  );
  return { node: el("label", {}, title, select), value: () => select.value, select };
}

function metricOptions(keep) {
  return page.metrics
    .map((metric, number) => [String(number), metric.title, metric])
    .filter(([, , metric]) => keep(metric))
    .map(([number, title]) => [number, title]);
}

function titled(metric) {
  return metric.higher === null ? metric.title : metric.title + ", " + direction(metric);
}

function direction(metric) {
  return metric.higher === null ? "" : metric.higher ? "higher is better" : "lower is better";
}
