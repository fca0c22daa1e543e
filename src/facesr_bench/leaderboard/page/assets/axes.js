// Scales and ticks.
function linear(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

function niceTicks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((s) => s * power >= raw) * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * span; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

function padded(values, share) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const pad = (high - low || Math.abs(high) || 1) * share;
  return [low - pad, high + pad];
}

// Cost spans decades, so it is drawn by its logarithm; what costs nothing stands left of the scale.
function costScale(values, from, to) {
  const positive = values.filter((v) => v > 0);
  const free = positive.length < values.length;
  const start = free ? from + 46 : from;
  if (!positive.length) return { at: () => (from + to) / 2, ticks: [0], free };
  let low = Math.log10(Math.min(...positive));
  let high = Math.log10(Math.max(...positive));
  const pad = Math.max(0.08 * (high - low), 0.15);
  low -= pad;
  high += pad;
  const place = linear(low, high, start, to);
  const ticks = [];
  const fine = high - low < 1.7 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil((high - low) / 6));
  for (let e = Math.floor(low); e <= high; e++) {
    if (e % every) continue;
    for (const digit of fine) {
      const value = digit * 10 ** e;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
    }
  }
  return { at: (v) => (v > 0 ? place(Math.log10(v)) : from + 14), ticks: free ? [0, ...ticks] : ticks, free };
}

function tickLabel(value) {
  return Math.abs(value) >= 1000 ? compact(value) : String(Number(value.toPrecision(6)));
}
