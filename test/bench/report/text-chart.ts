/** A chart for a terminal. */
import type { Chart, Point } from '../suite/section.ts';
import { scaleOf, xScaleOf } from './scale.ts';
import { shownTick } from './shown.ts';

const columns = 64;
const rows = 14;
const markers = 'ox*#@%&=~s';

export function textChart(chart: Chart): string {
  const points = chart.lines.flatMap((line) => line.points);
  const xScale = xScaleOf(
    chart.x.scale,
    points.map(({ x }) => x),
  );
  const yScale = scaleOf(
    chart.y.scale,
    points.map(({ y }) => y),
  );
  const grid = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '));
  const cellOf = ({ x, y }: Point): Cell | null => {
    const [across, up] = [xScale.place(x), yScale.place(y)];
    if (across === null || up === null) return null;
    return {
      column: Math.round(across * (columns - 1)),
      row: rows - 1 - Math.round(up * (rows - 1)),
    };
  };
  const lines = chart.lines.map((line) => line.points.map(cellOf));
  for (const cells of lines) {
    for (const [index, cell] of cells.entries()) {
      for (const between of cellsBetween(cells[index - 1] ?? null, cell)) set(grid, between, '.');
    }
  }
  for (const [index, cells] of lines.entries()) {
    for (const cell of cells) if (cell !== null) set(grid, cell, markerOf(index));
  }
  const labels = new Map<number, string>();
  for (const tick of yScale.ticks) {
    const up = yScale.place(tick) ?? 0;
    labels.set(rows - 1 - Math.round(up * (rows - 1)), shownTick(tick));
  }
  const margin = Math.max(0, ...[...labels.values()].map(({ length }) => length));
  return [
    `${chart.title}  (${chart.y.title})`,
    ...grid.map((row, index) => {
      const label = (labels.get(index) ?? '').padStart(margin);
      return `${label} ${labels.has(index) ? '+' : '|'}${row.join('').trimEnd()}`;
    }),
    `${' '.repeat(margin)} +${'-'.repeat(columns)}`,
    `${' '.repeat(margin + 2)}${underneath(xScale.ticks, xScale.place)}`,
    `${' '.repeat(margin + 2)}${chart.x.title}`,
    ...chart.lines.map(({ name }, index) => `  ${markerOf(index)} ${name}`),
  ].join('\n');
}

interface Cell {
  readonly column: number;
  readonly row: number;
}

function cellsBetween(from: Cell | null, to: Cell | null): Cell[] {
  if (from === null || to === null) return [];
  const steps = Math.max(Math.abs(to.column - from.column), Math.abs(to.row - from.row));
  return Array.from({ length: Math.max(0, steps - 1) }, (_, index) => {
    const part = (index + 1) / steps;
    return {
      column: Math.round(from.column + part * (to.column - from.column)),
      row: Math.round(from.row + part * (to.row - from.row)),
    };
  });
}

function set(grid: readonly string[][], { column, row }: Cell, sign: string): void {
  const line = grid[row];
  if (line !== undefined) line[column] = sign;
}

function markerOf(index: number): string {
  return markers[index % markers.length] ?? 'o';
}

/** Each mark below its place; one that would touch the one before it is left out. */
function underneath(ticks: readonly number[], place: (value: number) => number | null): string {
  let line = '';
  for (const tick of ticks) {
    const label = shownTick(tick);
    const middle = Math.round((place(tick) ?? 0) * (columns - 1));
    const start = Math.max(0, middle - Math.floor(label.length / 2));
    if (line !== '' && start <= line.length) continue;
    line = line.padEnd(start) + label;
  }
  return line;
}
