import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Latencies } from '../../../src/cli/submit/latencies.ts';
import { colorsFor, countText, durationText, harmless, reasonText } from '../../../src/cli/text.ts';
import { memoryIo } from '../../support/process/cli-io.ts';

describe('texts', () => {
  it.each([
    [0, '0 ms'],
    [999.4, '999 ms'],
    [1_000, '1 s'],
    [3_240, '3.2 s'],
    [59_960, '1 min'],
    [245_000, '4 min 5 s'],
    [7_380_000, '2 h 3 min'],
    [90_000_000, '1 d 1 h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  it('groups digits', () => {
    expect([0, 999, 1_000, 1_234_567].map(countText)).toEqual(['0', '999', '1,000', '1,234,567']);
  });

  it('takes the power over the terminal out of foreign text', () => {
    expect(harmless('a\u001B[2Jb\nc\u202Ed\u009B')).toBe('a\\u001b[2Jb c\\u202ed\\u009b');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(harmless(text)).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u);
      }),
    );
  });

  it('tells who aborted, why, and whether a retry may help', () => {
    const reason = { code: 'CONFLICT', message: 'stale version', retryable: true } as const;
    expect(reasonText({ ...reason, participant: 'inventory' })).toBe(
      'CONFLICT inventory: stale version (a retry may succeed)',
    );
    expect(reasonText({ ...reason, retryable: false })).toBe('CONFLICT: stale version');
  });

  it('colours a terminal only, and not where NO_COLOR is set', () => {
    const pipe = memoryIo().stdout;
    const terminal = Object.assign(memoryIo().stdout, { isTTY: true });
    const colored = (stream: typeof pipe, env: Record<string, string>): boolean =>
      colorsFor(stream, env).isColorSupported;
    expect(colored(terminal, {})).toBe(true);
    expect(colored(pipe, { CI: 'true', FORCE_COLOR: '1' })).toBe(false);
    expect(colored(terminal, { NO_COLOR: '1' })).toBe(false);
    expect(colored(terminal, { TERM: 'dumb' })).toBe(false);
  });
});

describe('Latencies', () => {
  it('knows each percentile to 1%', () => {
    const ms = fc.double({ min: 0.02, max: 1e6, noNaN: true });
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(ms, { minLength: 1 }), fraction, (values, wanted) => {
        const latencies = new Latencies();
        for (const value of values) latencies.add(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(wanted * values.length)) - 1] as number;
        expect((latencies.percentileMs(wanted) as number) / exact).toBeCloseTo(1, 1.7);
      }),
    );
  });

  it('knows none of nothing', () => {
    expect(new Latencies().percentileMs(0.5)).toBeNull();
  });
});
