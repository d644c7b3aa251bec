/** Whether what is written can be read: the contrast of the colours, as WCAG 2 computes it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(new URL('../../../src/console/style.css', import.meta.url), 'utf8');

function paletteOf(selector: string): ReadonlyMap<string, string> {
  const block = css.slice(css.indexOf(selector)).split('}', 1)[0] ?? '';
  return new Map(
    [...block.matchAll(/--([\w-]+): (#[\da-f]{6});/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
}

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

describe.each([
  ['light', ':root[data-theme="light"]'],
  ['dark', ':root[data-theme="dark"]'],
])('in %s', (_name, selector) => {
  const palette = paletteOf(selector);
  const of = (name: string): string => {
    const value = palette.get(name);
    if (value === undefined) throw new Error(`There is no colour ${name}.`);
    return value;
  };

  it.each(['text', 'quiet', 'accent', 'good', 'bad', 'warn'])('%s can be read', (name) => {
    for (const ground of ['page', 'card', 'raised']) {
      expect(contrast(of(name), of(ground)), `${name} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('what stands on a colour can be read', () => {
    expect(contrast(of('on-accent'), of('accent'))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(of('on-bad'), of('bad'))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['line-1', 'line-2', 'line-3', 'edge', 'part-preparing', 'part-voted', 'part-finishing'])(
    '%s can be seen',
    (name) => {
      expect(contrast(of(name), of('card'))).toBeGreaterThanOrEqual(3);
    },
  );
});
