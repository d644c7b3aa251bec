/** What counts as a trace context, and what is made of the rest. */
import { describe, expect, it } from 'vitest';
import {
  isSampled,
  isTracestate,
  knownTraceparent,
  traceOf,
} from '../../../src/core/trace-context.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';
const good = `00-${trace}-${span}-01`;

describe('a traceparent', () => {
  it.each([good, `00-${trace}-${span}-00`, `00-${trace}-${span}-ff`])('is known: %s', (text) => {
    expect(knownTraceparent(text)).toBe(text);
  });

  it('of a later version is cut to what this one knows', () => {
    expect(knownTraceparent(`cc-${trace}-${span}-01`)).toBe(good);
    expect(knownTraceparent(`cc-${trace}-${span}-01-what-the-future-will-be`)).toBe(good);
  });

  it.each([
    '',
    '00',
    `${good}-more`,
    `${good}.`,
    ` ${good}`,
    `${good}\n`,
    good.toUpperCase(),
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.slice(1)}-${span}-01`,
    `00-${trace}-${span}-1`,
    `cc-${trace}-${span}-01x`,
    `cc-${trace}-${span}-01-${'x'.repeat(300)}`,
    `00-${trace}-${span}-01'; DROP TABLE`,
  ])('is none: %j', (text) => {
    expect(knownTraceparent(text)).toBeNull();
  });

  it('says whether it is sampled, by one bit', () => {
    const flags = ['00', '01', '02', '03', 'fe', 'ff'];
    const sampled = flags.filter((each) => isSampled(`00-${trace}-${span}-${each}`));
    expect(sampled).toEqual(['01', '03', 'ff']);
  });
});

describe('a tracestate', () => {
  it('is bounded, and may stand in a header', () => {
    expect(isTracestate('vendor=t61rcWkgMzE,other=1')).toBe(true);
    expect(isTracestate('v'.repeat(512))).toBe(true);
    for (const text of ['', 'v'.repeat(513), 'a=1\r\nx: y', 'a=é', 'a=\u0000']) {
      expect(isTracestate(text)).toBe(false);
    }
  });

  it('is nothing without a traceparent', () => {
    expect(traceOf({ tracestate: 'a=1' })).toBeNull();
    expect(traceOf({ traceparent: good })).toEqual({ traceparent: good });
    expect(traceOf({ traceparent: good, tracestate: 'a=1' })).toEqual({
      traceparent: good,
      tracestate: 'a=1',
    });
  });
});
