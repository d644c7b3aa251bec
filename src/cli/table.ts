/** Rows of cells, for people: aligned, and no wider than the terminal. */
import { stripVTControlCharacters } from 'node:util';
import type { Output } from './io.ts';
import { countText, harmless } from './text.ts';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => string | number;
  /** Numbers read better with their units under each other. */
  readonly align?: 'right';
  readonly paint?: (text: string) => string;
  /** For `narrowed`: those with the highest go first. Absent: it stays. */
  readonly rank?: number;
}

const gap = '  ';
const indent = '    ';
/** Of a terminal that does not say. */
const columnsDefault = 80;

/** What a pipe reads is a line a row, however long. */
export function widthOf(stream: Output): number {
  if (stream.isTTY !== true) return Number.POSITIVE_INFINITY;
  return stream.columns ?? columnsDefault;
}

/**
 * The head and one line per row, columns two spaces apart; the last is not padded. Columns that do
 * not fit into `width` stand below their row instead, each with its name.
 */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => cellText(cell(row))));
  const widths = widthsOf(columns, cells);
  const beside = fitting(widths, width);
  const format = (line: readonly string[], painted: boolean): string =>
    columns
      .slice(0, beside)
      .map(({ align, paint }, index) => {
        const text = line[index] ?? '';
        const isLast = index === beside - 1 && align === undefined;
        const columnWidth = isLast ? 0 : (widths[index] ?? 0);
        const padded = align === 'right' ? text.padStart(columnWidth) : text.padEnd(columnWidth);
        return painted && paint !== undefined ? padded.replace(text, () => paint(text)) : padded;
      })
      .join(gap)
      .trimEnd();
  const heads = columns.map(({ head }) => head);
  return [
    format(heads, false),
    ...cells.flatMap((line) => [
      format(line, true),
      ...below(columns.slice(beside), line.slice(beside), width),
    ]),
  ];
}

/** Without the columns that are needed least, until the others have room beside each other. */
export function narrowed<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly Column<Row>[] {
  const cells = rows.map((row) => columns.map(({ cell }) => cellText(cell(row))));
  const all = widthsOf(columns, cells);
  const kept = new Set(columns);
  const room = (): number =>
    columns.reduce((sum, each, at) => sum + (kept.has(each) ? (all[at] ?? 0) + gap.length : 0), 0);
  const least = columns
    .filter(({ rank }) => rank !== undefined)
    .sort((a, b) => (b.rank ?? 0) - (a.rank ?? 0));
  for (const each of least) {
    if (room() - gap.length <= width) break;
    kept.delete(each);
  }
  return columns.filter((each) => kept.has(each));
}

function widthsOf(
  columns: readonly Pick<Column<never>, 'head'>[],
  cells: readonly (readonly string[])[],
): number[] {
  return columns.map(({ head }, index) =>
    Math.max(head.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
}

function cellText(value: string | number): string {
  return typeof value === 'number' ? countText(value) : harmless(value);
}

/** How many columns have room beside each other: one at least. */
function fitting(widths: readonly number[], width: number): number {
  let used = 0;
  for (const [index, each] of widths.entries()) {
    used += each + (index === 0 ? 0 : gap.length);
    if (used > width) return Math.max(1, index);
  }
  return widths.length;
}

function below(
  columns: readonly Pick<Column<never>, 'head' | 'paint'>[],
  line: readonly string[],
  width: number,
): string[] {
  const lines: string[] = [];
  let current = '';
  for (const [index, { head, paint }] of columns.entries()) {
    const text = line[index] ?? '';
    // What is not there needs no line of its own.
    if (text === '' || text === '-') continue;
    const part = `${head} ${text}`;
    const painted = paint === undefined ? part : `${head} ${paint(text)}`;
    if (
      current !== '' &&
      stripVTControlCharacters(current).length + gap.length + part.length > width
    ) {
      lines.push(current);
      current = '';
    }
    if (indent.length + part.length > width) lines.push(...wrapped(part, width));
    else current = current === '' ? indent + painted : current + gap + painted;
  }
  if (current !== '') lines.push(current);
  return lines;
}

/** Indented, by words where it can; a word that is too long is cut. */
export function wrapped(text: string, width: number): string[] {
  const room = Math.max(1, width - indent.length);
  const lines: string[] = [];
  let rest = text;
  while (rest.length > room) {
    const space = rest.lastIndexOf(' ', room);
    const end = space > 0 ? space : room;
    lines.push(indent + rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return rest === '' ? lines : [...lines, indent + rest];
}
