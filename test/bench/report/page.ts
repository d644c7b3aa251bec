/** docs/PERFORMANCE.md, of what was measured alone. */
import type { Machine, Measurement } from '../suite/results.ts';
import type { Chart, Table, Target } from '../suite/section.ts';
import { shownCell } from './shown.ts';

/** Where the page finds its pictures. */
export const picture = (chart: Pick<Chart, 'name'>): string => `bench/${chart.name}.svg`;

const columns = 100;
/** At the beginning of a line it would be a list's, a heading's or a quotation's. */
const marks = /^(?:[-+*#>]+|\d+[.)])$/;

/** In lines of the repository's length. */
export function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    const fits = line !== undefined && line.length + 1 + word.length <= columns;
    if (line !== undefined && (fits || marks.test(word)))
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

export function pageOf(measurements: readonly Measurement[]): string {
  const targets = measurements.flatMap(({ findings }) => findings.targets);
  const met = targets.filter((target) => target.met).length;
  return [
    '# Performance',
    '<!-- Made by `npm run bench -- --write`. Changes by hand are lost. -->',
    wrapped(
      'What `npm run bench` measured. Verdict and its base lines run in turns on one machine, all ' +
        'of their processes beside each other on the same cores. So the ratios say something; ' +
        'absolute figures are of that machine. Figures are medians.',
    ),
    ...(targets.length === 0
      ? []
      : [
          '## Targets',
          wrapped(
            `${met} of ${targets.length} are met. [SPEED.md](SPEED.md) says what stands in the way of the others, and what it would take.`,
          ),
          markdownTable(['target', 'aim', 'measured', 'met'], targets.map(targetRow)),
        ]),
    ...measurements.flatMap(sectionOf),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

function sectionOf(measurement: Measurement): string[] {
  const { title, about, findings } = measurement;
  return [
    `## ${title}`,
    wrapped(about),
    ...findings.charts.map((chart) => `![${escaped(chart.title)}](${picture(chart)})`),
    ...findings.tables.flatMap(tableOf),
    circumstances(measurement),
  ];
}

function circumstances(measurement: Measurement): string {
  const { at, machine, durationMs, rounds, name } = measurement;
  return wrapped(
    `*\`npm run bench -- --only ${name} --seconds ${durationMs / 1_000} --rounds ${rounds}\`, ` +
      `${at.slice(0, 10)}, ${machineOf(machine)}.*`,
  );
}

function machineOf({ cpu, cores, memoryBytes, system, node, loadBefore }: Machine): string {
  const gibibytes = Math.round(memoryBytes / 2 ** 30);
  const counted = cores === 1 ? '1 core' : `${cores} cores`;
  return `${counted} of ${escaped(cpu)}, ${gibibytes} GiB, ${system}, Node ${node}, load before ${loadBefore.toFixed(1)}`;
}

function targetRow({ what, aim, measured, met }: Target): readonly string[] {
  return [what, aim, measured, met ? 'yes' : '**no**'];
}

function tableOf({ title, columns, rows }: Table): string[] {
  return [`**${escaped(title)}**`, markdownTable(columns, rows)];
}

export function markdownTable(
  columns: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const numeric = columns.map((_, at) => rows.every((row) => typeof row[at] !== 'string'));
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(columns.map(escaped)),
    line(numeric.map((right) => (right ? '---:' : '---'))),
    ...rows.map((row) => line(columns.map((_, at) => escaped(shownCell(row[at] ?? null))))),
  ].join('\n');
}

/** A bar would end its cell, an angle begin a tag. */
function escaped(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ');
}
