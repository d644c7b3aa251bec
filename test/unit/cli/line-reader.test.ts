import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Line, LineReader } from '../../../src/cli/submit/line-reader.ts';

const maxLineBytes = 8;

function read(chunks: readonly Uint8Array[]): Line[] {
  const reader = new LineReader({ maxLineBytes });
  return [...chunks.flatMap((chunk) => reader.push(chunk)), ...reader.end()];
}

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  return [0, ...places].map((start, index) => bytes.subarray(start, places[index] ?? bytes.length));
}

/** The same over the whole input at once, in the plainest way. */
function expected(
  bytes: Uint8Array,
): { number: number; endsAtByte: number; text: string | null }[] {
  const lines: { number: number; endsAtByte: number; text: string | null }[] = [];
  let number = 0;
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    const endsAtByte = newline === -1 ? end : end + 1;
    let content = bytes.subarray(start, end);
    if (content.at(-1) === 13) content = content.subarray(0, -1);
    number += 1;
    start = endsAtByte;
    const decoded = Buffer.from(content)
      .toString()
      .replace(/^\uFEFF/, '');
    const isUtf8 = Buffer.from(Buffer.from(content).toString()).equals(Buffer.from(content));
    const text = content.length > maxLineBytes || !isUtf8 ? null : decoded;
    if (text === null || text.trim() !== '') lines.push({ number, endsAtByte, text });
  }
  return lines;
}

function simplified(lines: readonly Line[]): ReturnType<typeof expected> {
  return lines.map((line) => ({
    number: line.number,
    endsAtByte: line.endsAtByte,
    text: line.kind === 'text' ? line.text : null,
  }));
}

describe('LineReader', () => {
  it('finds the same lines however the bytes are cut', () => {
    // Few different bytes, so that line ends, limits and broken characters meet often.
    const byte = fc.constantFrom(
      0x0a,
      0x0a,
      0x0d,
      0x20,
      0x61,
      0x62,
      0xc3,
      0xa4,
      0xff,
      0xef,
      0xbb,
      0xbf,
    );
    const input = fc
      .array(byte, { maxLength: 60, size: 'max' })
      .map((values) => Uint8Array.from(values));
    fc.assert(
      fc.property(input, fc.array(fc.nat(), { maxLength: 8, size: 'max' }), (bytes, cuts) => {
        expect(simplified(read(cut(bytes, cuts)))).toEqual(expected(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes a line of just the limit, with CR LF, in single bytes', () => {
    const bytes = Buffer.from('12345678\r\n123456789\r\n');
    const lines = read(cut(bytes, [...bytes.keys()]));
    expect(lines.map(({ kind }) => kind)).toEqual(['text', 'bad']);
    expect(lines[1]).toMatchObject({ problem: expect.stringContaining('at most 8 are taken') });
  });

  it('counts blank lines and does not report them', () => {
    expect(simplified(read([Buffer.from('\n  \r\n\na\n')]))).toEqual([
      { number: 4, endsAtByte: 8, text: 'a' },
    ]);
  });

  it('drops a byte order mark and reports what is not UTF-8', () => {
    const lines = read([Buffer.from('\uFEFFa\n'), Uint8Array.of(0xff, 0xfe, 0x0a)]);
    expect(lines[0]).toMatchObject({ kind: 'text', text: 'a' });
    expect(lines[1]).toMatchObject({ kind: 'bad', problem: expect.stringContaining('UTF-8') });
  });

  it('holds no more than a line may have of one that never ends', () => {
    const reader = new LineReader({ maxLineBytes: 1_024 });
    const chunk = new Uint8Array(65_536).fill(0x61);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 2_000; count += 1) reader.push(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_048_576);
    expect(reader.push(Uint8Array.of(0x0a))).toMatchObject([
      { number: 1, kind: 'bad', problem: expect.stringContaining(String(65_536 * 2_000)) },
    ]);
  });
});
