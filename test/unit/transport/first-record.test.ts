import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { atEndOfTurn } from '../../../src/system/turn.ts';
import { whenFirstRecord } from '../../../src/transport/tls/first-record.ts';

const turn = (): Promise<void> => new Promise((resolve) => atEndOfTurn(resolve));
/** A handshake record of 300 bytes. */
const record = Buffer.concat([Buffer.from([0x16, 3, 1, 1, 44]), Buffer.alloc(300, 7)]);

let stream: PassThrough;
let told: number;

beforeEach(() => {
  stream = new PassThrough();
  told = 0;
  whenFirstRecord(stream as unknown as Socket, () => {
    told += 1;
  });
});

describe('the first record', () => {
  it('is waited for until it is whole, byte by byte, and is still to be read then', async () => {
    for (const byte of record.subarray(0, -1)) stream.write(Buffer.from([byte]));
    await turn();
    expect(told).toBe(0);
    stream.write(record.subarray(-1));
    await turn();
    expect(told).toBe(1);
    expect(stream.read()).toEqual(record);
  });

  it('is given back with what came behind it', async () => {
    const all = Buffer.concat([record, Buffer.from('more')]);
    stream.write(all);
    await turn();
    expect(told).toBe(1);
    expect(stream.read()).toEqual(all);
  });

  it('that is none of a handshake is for others to refuse', async () => {
    stream.write('GET / HTTP/1.1\r\n');
    await turn();
    expect(told).toBe(1);
    expect(String(stream.read())).toBe('GET / HTTP/1.1\r\n');
  });

  it('that says it is larger than any holds nothing for long', async () => {
    stream.write(Buffer.concat([Buffer.from([0x16, 3, 1, 0xff, 0xff]), Buffer.alloc(20_000)]));
    await turn();
    expect(told).toBe(1);
  });

  it('that never comes ends with its peer', async () => {
    stream.write(record.subarray(0, 100));
    await turn();
    stream.end();
    await turn();
    await turn();
    expect(told).toBe(0);
    expect(stream.destroyed).toBe(true);
  });
});
