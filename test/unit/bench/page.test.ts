import { describe, expect, it } from 'vitest';
import { pageOf, picture, wrapped } from '../../bench/report/page.ts';
import { shownDuration, shownNumber } from '../../bench/report/shown.ts';
import { targetLine, textOf, textTable } from '../../bench/report/text.ts';
import type { Measurement } from '../../bench/suite/results.ts';
import type { Table, Target } from '../../bench/suite/section.ts';

const table: Table = {
  title: 'By number | in flight',
  columns: ['store', 'tx/s', 'p50 ms'],
  rows: [
    ['embedded', 12_345.6, 1.234],
    ['etcd | one', 8, null],
  ],
};
const targets: readonly Target[] = [
  { what: 'at 256', aim: '>= 70 %', measured: '81 %', met: true },
  { what: 'at 1', aim: '< 5 ms', measured: '7 ms', met: false },
];
const measurement: Measurement = {
  name: 'throughput',
  title: 'Throughput',
  about: 'How many.',
  at: '2026-01-02T03:04:05.000Z',
  tookMs: 1_000,
  durationMs: 2_000,
  rounds: 3,
  machine: {
    cpu: 'Some CPU',
    cores: 2,
    memoryBytes: 24 * 2 ** 30,
    system: 'linux x64',
    node: 'v24.1.0',
    loadBefore: 0.25,
  },
  findings: {
    tables: [table],
    charts: [
      {
        name: 'throughput',
        title: 'Throughput',
        x: { title: 'in flight', scale: 'logarithmic' },
        y: { title: 'tx/s', scale: 'linear' },
        lines: [],
      },
    ],
    targets,
  },
};

it.each([
  [0, '0'],
  [7, '7'],
  [1_234.5, '1,235'],
  [123.4, '123'],
  [12.34, '12.3'],
  [1.2345, '1.23'],
  [0.12345, '0.123'],
  [-2.345, '-2.35'],
  [Number.NaN, 'none'],
])('shows %d as %s', (value, text) => expect(shownNumber(value)).toBe(text));

it.each([
  [500, '0.5 s'],
  [2_000, '2 s'],
  [8_793.4, '8.8 s'],
  [119_000, '119 s'],
  [1_800_000, '30 min'],
])('shows %d ms as %s', (value, text) => expect(shownDuration(value)).toBe(text));

describe('on a terminal', () => {
  it('sets words to the left and numbers to the right', () => {
    expect(textTable(table).split('\n')).toEqual([
      'By number | in flight',
      'store         tx/s  p50 ms',
      'embedded    12,346    1.23',
      'etcd | one       8',
    ]);
  });

  it('says of each target whether it is met', () => {
    expect(targets.map(targetLine)).toEqual([
      'met      at 256: 81 %  (aim: >= 70 %)',
      'NOT MET  at 1: 7 ms  (aim: < 5 ms)',
    ]);
    expect(textOf(measurement.findings)).toContain('NOT MET  at 1');
  });
});

describe('the page', () => {
  const page = pageOf([measurement, { ...measurement, name: 'b', title: 'Another', rounds: 1 }]);

  it('counts the targets and lists them', () => {
    expect(page).toContain('\n2 of 4 are met. [SPEED.md](SPEED.md) says');
    expect(page).toContain('\n| at 256 | >= 70 % | 81 % | yes |\n');
    expect(page).toContain('\n| at 1 | &lt; 5 ms | 7 ms | **no** |\n');
  });

  it('has each section with its text, pictures, tables and circumstances', () => {
    expect(page.match(/^## .*/gm)).toEqual(['## Targets', '## Throughput', '## Another']);
    expect(page).toContain('\nHow many.\n');
    expect(page).toContain(`![Throughput](${picture({ name: 'throughput' })})`);
    expect(page).toContain(
      '\n| store | tx/s | p50 ms |\n| --- | ---: | ---: |\n| embedded | 12,346 | 1.23 |\n| etcd \\| one | 8 |  |\n',
    );
    expect(page).toContain(
      '\n*`npm run bench -- --only throughput --seconds 2 --rounds 3`, 2026-01-02, 2 cores of Some CPU, 24\nGiB, linux x64, Node v24.1.0, load before 0.3.*\n',
    );
  });

  it('has lines of 100 columns, and none that begins as a list', () => {
    const long = wrapped(`${'word '.repeat(19)}12345 - and 7. ${'x'.repeat(120)} on`);
    expect(long.split('\n')).toEqual([
      `${'word '.repeat(19)}12345 -`,
      'and 7.',
      'x'.repeat(120),
      'on',
    ]);
    const prose = page.split('\n').filter((line) => !line.startsWith('|'));
    expect(prose.filter((line) => line.length > 100)).toEqual([]);
  });

  it('is one for nothing too, and ends with one line end', () => {
    expect(pageOf([])).not.toContain('## Targets');
    for (const each of [page, pageOf([])]) expect(each).toMatch(/[^\n]\n$/);
  });
});
