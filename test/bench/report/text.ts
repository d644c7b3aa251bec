/** Findings for a terminal. */
import type { Findings, Table, Target } from '../suite/section.ts';
import { shownCell } from './shown.ts';
import { textChart } from './text-chart.ts';

export function textOf({ tables, charts, targets }: Findings): string {
  return [
    ...tables.map(textTable),
    ...charts.map(textChart),
    ...(targets.length === 0 ? [] : [targets.map(targetLine).join('\n')]),
  ].join('\n\n');
}

/** Words to the left, numbers to the right. */
export function textTable({ title, columns, rows }: Table): string {
  const cells = [columns, ...rows.map((row) => columns.map((_, at) => shownCell(row[at] ?? null)))];
  const numeric = columns.map((_, at) => rows.every((row) => typeof row[at] !== 'string'));
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? '').length)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return numeric[at] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return [title, ...lines].join('\n');
}

export function targetLine({ what, aim, measured, met }: Target): string {
  return `${met ? 'met    ' : 'NOT MET'}  ${what}: ${measured}  (aim: ${aim})`;
}
