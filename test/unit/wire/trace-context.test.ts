/** A trace context on the wire: bounded, and never a reason to refuse a message. */
import { describe, expect, it } from 'vitest';
import { decodeFrame } from '../../../src/wire/codec.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { sampleTxid } from '../../support/samples/samples.ts';

const good = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const commit = { type: 'commit', id: 3, txid: sampleTxid };

function read(fields: object): unknown {
  const frame = `${JSON.stringify({ ...commit, ...fields })}\n`;
  const [decoded] = decodeFrame(frame, { readers: readers['to-node'], limits: widestLimits });
  return decoded;
}

describe('a message with a trace context', () => {
  it('keeps a good one', () => {
    const fields = { traceparent: good, tracestate: 'a=1' };
    expect(read(fields)).toStrictEqual({ ok: true, message: { ...commit, ...fields } });
  });

  it.each([
    null,
    17,
    true,
    [],
    { nested: good },
    '',
    'x'.repeat(100_000),
    `${good}\r\nset-cookie: a`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
  ])('counts without a broken one: %j', (traceparent) => {
    expect(read({ traceparent })).toStrictEqual({ ok: true, message: commit });
    expect(read({ traceparent, tracestate: 'y'.repeat(600) })).toStrictEqual({
      ok: true,
      message: commit,
    });
  });

  it('is still refused for what it depends on', () => {
    expect(read({ traceparent: good, txid: 'none' })).toMatchObject({ ok: false });
  });
});
