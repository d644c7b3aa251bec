/**
 * Frames that once stopped something, made anew here, for they are large. Each says what it did;
 * all are sent again by test/property/fuzz.test.ts. Small ones may lie beside this file as they
 * were printed.
 */
import { Buffer } from 'node:buffer';
import type { Message } from '../../../src/core/messages.ts';
import type { Txid } from '../../../src/core/txid.ts';
import type { Direction } from '../../../src/wire/codec.ts';
import { makeTxid } from '../../support/core/txids.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import { leaderInfo } from '../../support/samples/messages.ts';
import { sampleEpoch } from '../../support/samples/samples.ts';
import type { Frame } from '../frames.ts';

export interface Regression {
  readonly what: string;
  readonly direction: Direction;
  readonly frame: () => Frame;
}

function frame(...messages: readonly Message[]): Frame {
  return encodeFrame(messages, 'binary');
}

function txidOf(sequence: number): Txid {
  const random = String(sequence).padStart(13, '0');
  return makeTxid({ shard: 0, epoch: sampleEpoch, sequence, random });
}

export const regressions: readonly Regression[] = [
  {
    what: 'nine thousand kept commits that the log does not have: a line of the log for each stopped the node for seconds',
    direction: 'to-node',
    frame: () => {
      const kept = Array.from({ length: 9_000 }, (_each, index) => txidOf(index + 1));
      return frame({ type: 'report', id: 1, inDoubt: [], kept });
    },
  },
  {
    what: 'four thousand lists in one frame: no one else was served meanwhile',
    direction: 'to-node',
    frame: () =>
      frame(
        ...Array.from(
          { length: 4_000 },
          (_each, id) => ({ type: 'list', id, limit: 1_000 }) as const,
        ),
      ),
  },
  {
    what: 'sixty-five thousand leaders: a participant looked at all of them for each of them',
    direction: 'from-node',
    frame: () => {
      const leaders = Array.from({ length: 65_536 }, (_each, shard) => leaderInfo('a', { shard }));
      return frame({ type: 'topology', leaders, nodes: [] });
    },
  },
  {
    what: 'sixty million values of one byte: an SDK took three gigabytes for them',
    direction: 'from-node',
    frame: () => {
      const count = 60_000_000;
      const head = [0x81, 0xa1, 0x78, 0xdd, 0, 0, 0, 0];
      const bytes = Buffer.alloc(head.length + count, 0x90);
      Buffer.from(head).copy(bytes);
      bytes.writeUInt32BE(count, 4);
      return bytes;
    },
  },
];
