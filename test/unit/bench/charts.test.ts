import { describe, expect, it } from 'vitest';
import { svgOf } from '../../bench/report/svg.ts';
import { textChart } from '../../bench/report/text-chart.ts';
import type { Chart } from '../../bench/suite/section.ts';

const chart: Chart = {
  name: 'throughput',
  title: 'Throughput of <Verdict> & its "skeleton"',
  x: { title: 'in flight', scale: 'logarithmic' },
  y: { title: 'tx/s', scale: 'linear' },
  lines: [
    {
      name: 'Verdict',
      points: [
        { x: 1, y: 10 },
        { x: 16, y: 400 },
        { x: 256, y: 1_000 },
      ],
    },
    {
      name: 'skeleton',
      points: [
        { x: 1, y: 300 },
        { x: 16, y: Number.NaN },
        { x: 256, y: 2_000 },
      ],
    },
  ],
};
const empty: Chart = { ...chart, lines: [{ name: 'Verdict', points: [] }] };

function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found);
}

describe('svgOf', () => {
  const svg = svgOf(chart);

  it('escapes what is text', () => {
    const title = 'Throughput of &lt;Verdict&gt; &amp; its &quot;skeleton&quot;';
    expect(svg).toContain(`<title>${title}</title>`);
    expect(svg).not.toMatch(/&(?!amp;|lt;|gt;|quot;)/);
  });

  it('opens and closes each element', () => {
    const open: string[] = [];
    for (const [, end, name = '', self] of svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
      if (end === '/') expect(open.pop()).toBe(name);
      else if (self !== '/') open.push(name);
    }
    expect(open).toEqual([]);
  });

  it('marks what was measured, higher up where it is more, inside the picture', () => {
    const places = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(
      ([, x, y]) => [Number(x), Number(y)] as const,
    );
    expect(places).toHaveLength(5);
    const [first, second, third, fourth, fifth] = places;
    expect(first?.[0]).toBe(fourth?.[0]);
    expect(third?.[0]).toBe(fifth?.[0]);
    // A logarithm: 1, 16 and 256 are as far apart.
    expect((second?.[0] ?? 0) * 2).toBeCloseTo((first?.[0] ?? 0) + (third?.[0] ?? 0), 0);
    const heights = [fifth, third, second, fourth, first].map((place) => place?.[1] ?? 0);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    const [, width = 0, height = 0] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)?.map(Number) ?? [];
    for (const [x, y] of places) {
      expect(x > 0 && x < width && y > 0 && y < height).toBe(true);
    }
  });

  it('breaks the line where nothing was measured', () => {
    const lines = all(svg, /<path d="([^"]*)"[^>]*stroke-width="2"/g).filter((line) =>
      line.includes('L'),
    );
    // Of Verdict alone: the skeleton's two points have one missing between them.
    expect(lines).toHaveLength(1);
  });

  it('names lines, axes and marks', () => {
    const texts = all(svg, /<text[^>]*>([^<]*)<\/text>/g);
    expect(texts).toEqual(
      expect.arrayContaining(['Verdict', 'skeleton', 'in flight', 'tx/s', '16', '256', '2,000']),
    );
  });

  it('says where there is nothing to draw', () => {
    expect(svgOf(empty)).toContain('>nothing was measured<');
    expect(svgOf(empty)).not.toContain('NaN');
    expect(svg).not.toContain('NaN');
  });
});

describe('textChart', () => {
  it('draws the same for a terminal', () => {
    const lines = textChart(chart).split('\n');
    expect(lines[0]).toBe('Throughput of <Verdict> & its "skeleton"  (tx/s)');
    const grid = lines.slice(1, 15);
    // The greatest is in the top row to the right, the least below to the left.
    expect(grid[0]).toMatch(/^2,000 \+ {63}x$/);
    expect(grid.findIndex((line) => /[|+]o/.test(line))).toBeGreaterThan(
      grid.findIndex((line) => /[|+]x/.test(line)),
    );
    expect(grid.join('').match(/o/g)).toHaveLength(3);
    expect(grid.join('').match(/x/g)).toHaveLength(2);
    expect(lines[16]).toMatch(/^ {7}1 +16 +256$/);
    expect(lines.slice(17)).toEqual(['       in flight', '  o Verdict', '  x skeleton']);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it('draws nothing of nothing', () => {
    expect(textChart(empty)).toContain('o Verdict');
    expect(textChart(empty)).not.toContain('NaN');
  });
});
