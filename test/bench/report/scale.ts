/** Where a value lies on an axis, and which of them it is marked at. */
import type { Axis } from '../suite/section.ts';

export interface Scale {
  /** From 0 to 1. Null for what the axis has no place for: what is not finite, 0 on a logarithm. */
  place(value: number): number | null;
  readonly ticks: readonly number[];
}

const ticksWanted = 6;
/** So many different values, such as numbers in flight, are the marks themselves. */
const maxOwnTicks = 12;

/** Linear: from 0, or from the least below it. Logarithmic: from the least to the greatest. */
export function scaleOf(axis: Axis['scale'], values: readonly number[]): Scale {
  const logarithmic = axis === 'logarithmic';
  const usable = values.filter((value) => Number.isFinite(value) && (!logarithmic || value > 0));
  if (usable.length === 0) return { place: () => null, ticks: [] };
  return logarithmic ? logarithmicScale(usable) : linearScale(usable);
}

/** As `scaleOf`; on a logarithm marked at the values themselves, from the first to the last. */
export function xScaleOf(axis: Axis['scale'], values: readonly number[]): Scale {
  const own = [...new Set(values)].filter((value) => Number.isFinite(value) && value > 0);
  if (axis === 'linear' || own.length === 0 || own.length > maxOwnTicks) {
    return scaleOf(axis, values);
  }
  const ticks = own.sort((a, b) => a - b);
  return scale(ticks[0] ?? 1, ticks.at(-1) ?? 1, ticks, Math.log10);
}

function linearScale(values: readonly number[]): Scale {
  const least = values.reduce((a, b) => Math.min(a, b), 0);
  const greatest = values.reduce((a, b) => Math.max(a, b), 0);
  const step = niceStep((greatest - least || 1) / ticksWanted);
  const first = Math.floor(least / step);
  const last = Math.max(Math.ceil(greatest / step), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) =>
    // Without the noise of a step such as 0.1.
    Number(((first + index) * step).toPrecision(12)),
  );
  return scale(first * step, last * step, ticks, (value) => value);
}

function logarithmicScale(values: readonly number[]): Scale {
  const least = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  const marks = marksBetween(least, greatest, [1, 2, 5]);
  const decades = marksBetween(least, greatest, [1]);
  const ticks = marks.length > ticksWanted && decades.length > 1 ? decades : marks;
  const from = Math.min(least, ticks[0] ?? least);
  const to = Math.max(greatest, ticks.at(-1) ?? greatest);
  return scale(from, to, ticks, Math.log10);
}

/** From the last mark that is not above the least, to the first that is not below the greatest. */
function marksBetween(least: number, greatest: number, of: readonly number[]): number[] {
  const marks: number[] = [];
  const last = Math.ceil(Math.log10(greatest));
  for (let power = Math.floor(Math.log10(least)); power <= last; power += 1) {
    for (const each of of) marks.push(Number((each * 10 ** power).toPrecision(12)));
  }
  const from = marks.findLastIndex((mark) => mark <= least);
  const to = marks.findIndex((mark) => mark >= greatest);
  return marks.slice(Math.max(0, from), to < 0 ? marks.length : to + 1);
}

function scale(
  from: number,
  to: number,
  ticks: readonly number[],
  measure: (value: number) => number,
): Scale {
  const start = measure(from);
  const length = measure(to) - start;
  return {
    ticks,
    place: (value) => {
      const at = measure(value);
      if (!Number.isFinite(at)) return null;
      return length === 0 ? 0.5 : (at - start) / length;
    },
  };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough) ?? 10;
  return factor * power;
}
