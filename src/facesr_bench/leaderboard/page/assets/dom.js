// Elements are made here and nowhere from text: names come from records, and records from anybody.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function text(x, y, content, kind, most) {
  const words = String(content);
  const cut = most && words.length > most ? words.slice(0, most - 1) + "…" : words;
  const node = svg("text", { x, y, class: kind }, cut);
  if (cut !== words) node.append(svg("title", {}, words));
  return node;
}

// As the table rounds: four digits after the point where two would hide the difference.
function show(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 10 ? 2 : size >= 0.01 || value === 0 ? 4 : 6);
}

function showInterval(low, high) {
  return low === null || low === undefined ? "" : show(low) + " – " + show(high);
}

function compact(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (size >= unit) return Number((value / unit).toPrecision(3)) + letter;
  }
  return String(Number(value.toPrecision(3)));
}

function count(number) {
  return number.toLocaleString("en-US");
}

function clear(node) {
  node.replaceChildren();
  return node;
}
