/**
 * An endless sequence of frames that no honest peer sends, drawn from a seed: valid ones with a
 * thing or two wrong, valid ones at the wrong time, damaged ones, and noise.
 */
import { Buffer } from 'node:buffer';
import { Packr } from 'msgpackr';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Direction, Form } from '../../src/wire/codec.ts';
import { maxFrameMessages } from '../../src/wire/limits.ts';
import { otherTxid, sampleEpoch, sampleTxid } from '../support/samples/samples.ts';
import { catalogue } from '../support/samples/wire.ts';
import { damagedBytes, damagedText, nested, noise } from './bytes.ts';
import { below, chance, namedFields, pick, wicked, wickedTexts } from './values.ts';

export type Frame = Uint8Array | string;

/** What of the real world may stand in a frame, so that it gets past the first look. */
export interface Living {
  readonly txids: readonly Txid[];
  /** Branches of others, and the sender's own. */
  readonly branches: readonly { readonly txid: Txid; readonly branch: string }[];
  readonly participants: readonly string[];
  readonly epochs: readonly Epoch[];
}

export const noLife: Living = {
  txids: [sampleTxid, otherTxid],
  branches: [],
  participants: ['inventory'],
  epochs: [sampleEpoch],
};

export interface FramesOptions {
  readonly random: Random;
  readonly direction: Direction;
  readonly living?: () => Living;
  /**
   * Left out: what would let the sender be somebody else, which no node without tokens could tell.
   */
  readonly without?: readonly string[];
}

/** How often, of 1,000. What is large costs a thousand times as much as what is not. */
const kinds = {
  wrongField: 360,
  living: 280,
  damaged: 140,
  several: 70,
  truncated: 50,
  stranger: 40,
  raw: 40,
  nested: 10,
  empty: 8,
  large: 2,
} as const;
export type Kind = keyof typeof kinds;
export const frameKinds: readonly Kind[] = Object.keys(kinds) as Kind[];
const drawn: readonly Kind[] = frameKinds.flatMap((kind) => Array(kinds[kind]).fill(kind));

type Fields = Record<string, unknown>;

// A field called toJSON is a field.
const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false });

export class Frames {
  readonly #random: Random;
  readonly #living: () => Living;
  readonly #samples: readonly Fields[];

  constructor(options: FramesOptions) {
    this.#random = options.random;
    this.#living = options.living ?? (() => noLife);
    this.#samples = catalogue
      .filter(({ direction, type }) => {
        return direction === options.direction && options.without?.includes(type) !== true;
      })
      .map(({ sample }) => sample as unknown as Fields);
  }

  next(): { readonly kind: Kind; readonly frame: Frame } {
    const kind = pick(this.#random, drawn);
    const form: Form = chance(this.#random, 0.6) ? 'binary' : 'text';
    return { kind, frame: this.#make(kind, form) };
  }

  #make(kind: Kind, form: Form): Frame {
    const random = this.#random;
    switch (kind) {
      case 'wrongField':
        return encode(form, [this.#spoilt(this.#alive())]);
      case 'living':
        return encode(form, [this.#alive()]);
      case 'damaged': {
        const frame = encode(form, [this.#alive()]);
        return typeof frame === 'string' ? damagedText(random, frame) : damagedBytes(random, frame);
      }
      case 'several':
        return encode(form, this.#several());
      case 'truncated': {
        const frame = encode(form, [this.#alive(), this.#alive()]);
        return frame.slice(0, below(random, frame.length));
      }
      case 'stranger':
        return encode(form, [wicked(random)]);
      case 'raw':
        return form === 'binary' ? noise(random, 300) : noise(random, 300).toString('latin1');
      case 'nested':
        return nested(random, form);
      case 'large':
        return this.#large(form);
      case 'empty':
        return form === 'binary' ? Buffer.alloc(0) : '\n'.repeat(below(random, 3));
    }
  }

  /** The same again, many different ones, or as many as a frame may hold, and one more. */
  #several(): unknown[] {
    const random = this.#random;
    const count = chance(random, 0.005)
      ? maxFrameMessages + below(random, 2)
      : 2 + below(random, 9);
    const same = this.#alive();
    const doubled = chance(random, 0.5);
    return Array.from({ length: count }, () => (doubled ? same : this.#alive()));
  }

  /** Just under, at and over what one frame may be. */
  #large(form: Form): Frame {
    const random = this.#random;
    const bytes = pick(random, [60_000, 200_000, 1_048_000, 1_048_577]);
    const payload = chance(random, 0.5)
      ? 'x'.repeat(bytes)
      : Array.from({ length: Math.ceil(bytes / 40) }, () => 'y'.repeat(30));
    return encode(form, [{ ...this.#alive(), payload, result: payload }]);
  }

  /** A valid message, about something that is really there where that is known. */
  #alive(): Fields {
    const random = this.#random;
    const { txids, branches, participants, epochs } = this.#living();
    const message: Fields = { ...pick(random, this.#samples) };
    if ('id' in message) message['id'] = 1 + below(random, 30);
    if ('epoch' in message && epochs.length > 0) message['epoch'] = pick(random, epochs);
    if ('requestId' in message && chance(random, 0.8)) {
      message['requestId'] = `r${below(random, 50)}`;
    }
    if ('participant' in message && participants.length > 0) {
      message['participant'] = pick(random, participants);
    }
    if (message['type'] === 'transact') this.#transact(message, participants);
    const branch = branches.length > 0 && chance(random, 0.7) ? pick(random, branches) : null;
    if ('txid' in message) {
      if (branch !== null && 'branch' in message) {
        message['branch'] = branch.branch;
        message['txid'] = branch.txid;
      } else if (txids.length > 0) message['txid'] = pick(random, txids);
    }
    if ('txids' in message && txids.length > 0) message['txids'] = [pick(random, txids)];
    if (message['type'] === 'report' && txids.length > 0) {
      message['kept'] = [pick(random, txids)];
    }
    // Of the votes and acknowledgements that are sent, most say that all is well.
    if (message['type'] === 'vote') message['vote'] = pick(random, ['commit', 'abort', 'readonly']);
    if (message['type'] === 'ack') {
      message['ok'] = chance(random, 0.8);
      message['decision'] = pick(random, ['commit', 'abort']);
    }
    return message;
  }

  #transact(message: Fields, participants: readonly string[]): void {
    const random = this.#random;
    if (chance(random, 0.6)) delete message['requestId'];
    message['timeoutMs'] = 1 + below(random, 500);
    message['branches'] = Array.from({ length: 1 + below(random, 3) }, (_each, index) => ({
      participant: pick(random, participants),
      branch: `b${index}`,
      payload: chance(random, 0.5)
        ? {}
        : chance(random, 0.2)
          ? namedFields(random)
          : wicked(random),
    }));
  }

  /**
   * One to three fields are missing, of another kind, or not of the protocol; now and then deep
   * inside.
   */
  #spoilt(message: Fields): Fields {
    const random = this.#random;
    const spoilt: Fields = { ...message };
    for (let left = 1 + below(random, 3); left > 0; left -= 1) {
      const name = pick(random, Object.keys(spoilt));
      const value = spoilt[name];
      switch (below(random, 5)) {
        case 0:
          delete spoilt[name];
          break;
        case 1:
          Object.defineProperty(spoilt, pick(random, wickedTexts), {
            value: wicked(random),
            enumerable: true,
            configurable: true,
            writable: true,
          });
          break;
        case 2:
          if (Array.isArray(value)) spoilt[name] = [...value, ...value, wicked(random)];
          else if (isFields(value)) spoilt[name] = this.#spoilt(value);
          else spoilt[name] = wicked(random);
          break;
        default:
          spoilt[name] = wicked(random);
      }
      if (Object.keys(spoilt).length === 0) break;
    }
    return spoilt;
  }
}

function isFields(value: unknown): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    Object.keys(value).length > 0
  );
}

function encode(form: Form, values: readonly unknown[]): Frame {
  if (form === 'binary') return Buffer.concat(values.map((value) => packr.pack(value)));
  return values.map((value) => JSON.stringify(value, plain) ?? 'null').join('\n');
}

/** What JSON lacks, in some other way: the receiver must take it either way. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** For a line of output, and for a file that keeps it. */
export function written(frame: Frame): string {
  return typeof frame === 'string'
    ? JSON.stringify(frame)
    : `base64:${Buffer.from(frame).toString('base64')}`;
}
