// Numbers as people read them; SI inside, units here.

function scaled(value, units) {
  for (const [scale, unit] of units) {
    if (Math.abs(value) >= scale) return `${digits(value / scale)} ${unit}`;
  }
  const [scale, unit] = units[units.length - 1];
  return `${digits(value / scale)} ${unit}`;
}

export function digits(value) {
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 3 });
}

export function count(value) {
  return value.toLocaleString("en");
}

export function time(seconds) {
  if (seconds === 0) return "0";
  return scaled(seconds, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]);
}

/** A time in microseconds with a fixed number of digits, for a clock that must not jump about. */
export function clock(seconds, duration) {
  const us = duration >= 1e-2 ? [1e-3, "ms"] : [1e-6, "µs"];
  return `${(seconds / us[0]).toFixed(duration / us[0] > 1000 ? 0 : 1)} ${us[1]}`;
}

export function bandwidth(value) {
  if (!Number.isFinite(value)) return "unlimited";
  return scaled(value, [[1e12, "TB/s"], [1e9, "GB/s"], [1e6, "MB/s"], [1, "B/s"]]);
}

export function bytes(value) {
  return scaled(value, [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
}

export function percent(share) {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : Number(value.toPrecision(2))} %`;
}

export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
