// Worst, median and best images, with one slider for all: what moves in one picture moves in each.
function compareImages(section) {
  const data = page.pictures;
  for (const note of data.notes) section.append(el("p", { class: "note" }, note));
  if (!data.keys.length) return;
  const gallery = el("div", { class: "gallery" });
  if (data.size) gallery.style.setProperty("--shape", `${data.size[1]} / ${data.size[0]}`);
  const columns = Object.keys(data.picks);
  const metric = menu("By", columns.map((c) => [c, page.metrics[Number(c)].title]), draw);
  const owners = page.methods
    .map((method, number) => [String(number), method.name])
    .filter(([number]) => columns.some((c) => data.picks[c][number]));
  const method = menu("Of", owners, draw);
  const rank = menu("Which", [["worst", "worst"], ["median", "median"], ["best", "best"]], draw);
  const sides = [["hr", "HR"], ["lr", "LR"]].filter(([side]) => data.files[side]);
  const others = page.methods.map((each, number) => [String(number), each.name]).filter(([n]) => data.files[n].some(Boolean));
  const before = menu("Left of the slider", [...sides, ...others], draw);
  const size = el("input", { type: "range", min: 96, max: 360, value: tileSize(), step: 2,
    oninput: () => gallery.style.setProperty("--tile", size.value + "px") });
  section.append(
    el("div", { class: "controls" }, metric.node, method.node, rank.node, before.node, el("label", {}, "Size", size)),
    methodChips(),
    gallery,
  );
  gallery.style.setProperty("--tile", size.value + "px");
  whenMethodsChange(draw);
  draw();

  // All methods side by side where there is room for pictures worth looking at.
  function tileSize() {
    if (window.innerWidth < 640) return 120;
    const many = page.methods.length;
    return Math.max(120, Math.min(220, Math.floor((section.clientWidth - 13 * (many - 1)) / many)));
  }

  function draw() {
    clear(gallery);
    const picked = (data.picks[metric.value()] || {})[method.value()];
    if (!picked) {
      gallery.append(el("p", { class: "note" }, "This method has no scores of single images by this metric."));
      return;
    }
    for (const place of picked[rank.value()]) gallery.append(face(place));
  }

  function face(place) {
    const person = data.people[place];
    const title = el("h3", {}, data.keys[place], person ? el("span", { class: "quiet" }, "person " + person) : null);
    const tiles = shownMethods().map((number) => tile(place, number));
    return el("div", { class: "face" }, title, el("div", { class: "tiles" }, ...tiles));
  }

  function tile(place, number) {
    const chosen = String(number) === method.value();
    const scores = data.scores[metric.value()];
    const caption = el(
      "figcaption", {},
      el("i", { class: "swatch c" + (number % 8), "aria-hidden": "true" }),
      el("span", { title: page.methods[number].name }, page.methods[number].name),
      el("span", {}, show(scores[number][place])),
    );
    return el("figure", { class: chosen ? "chosen" : null }, pair(place, number), caption);
  }

  function pair(place, number) {
    const after = data.files[String(number)][place];
    if (!after) return el("div", { class: "pair missing" }, "SR image not at hand");
    const name = page.methods[number].name;
    const side = before.value();
    const other = side && data.files[side] ? data.files[side][place] : null;
    const box = el("div", { class: "pair" });
    const image = (source, kind, words) =>
      el("img", { src: source, class: kind, alt: words, loading: "lazy", decoding: "async", draggable: "false" });
    if (!other || side === String(number)) {
      box.append(image(after, "alone", `${name}: ${data.keys[place]}`));
      return box;
    }
    const words = before.select.selectedOptions[0].text;
    box.append(
      image(other, "before", `${words}: ${data.keys[place]}`),
      image(after, "after", `${name}: ${data.keys[place]}`),
      el("span", { class: "handle" }),
      el("span", { class: "side left" }, words),
      el("span", { class: "side right" }, "SR"),
    );
    const slider = el("input", { type: "range", min: 0, max: 100, step: 1, value: cut(),
      "aria-label": `${words} left, ${name} right of the slider`,
      oninput: () => move(slider.value) });
    box.append(slider);
    return box;
  }

  function cut() {
    return parseFloat(gallery.style.getPropertyValue("--cut") || "50");
  }

  function move(value) {
    gallery.style.setProperty("--cut", value + "%");
    for (const slider of gallery.querySelectorAll("input[type=range]")) slider.value = value;
  }
}
