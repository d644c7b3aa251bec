import { describe, expect, it } from 'vitest';
import { coordinatorOptionTable } from '../../../src/core/coordinator-options.ts';
import type { Message } from '../../../src/core/messages.ts';
import { type Direction, encodeMessage } from '../../../src/wire/codec.ts';
import {
  maxFrameMessages,
  maxMessageElements,
  maxNesting,
  widestLimits,
} from '../../../src/wire/limits.ts';
import { encodeFrame } from '../../support/network/encode-frame.ts';
import {
  fromNodeSamples,
  sampleEpoch,
  sampleTxid,
  sampleWitness,
  toNodeSamples,
} from '../../support/samples/samples.ts';
import { decode, forms, frameError, frameOf, trip } from '../../support/samples/wire.ts';

const to = toNodeSamples;
const from = fromNodeSamples;

/** `make(at)` is the largest that is taken, `make(over)` the smallest that is not. */
interface Bound {
  readonly what: string;
  readonly direction: Direction;
  readonly make: (size: number) => unknown;
  readonly at: number;
  readonly over: number;
  readonly code: 'INVALID_MESSAGE' | 'LIMIT_EXCEEDED';
}

function bound(
  what: string,
  make: (size: number) => unknown,
  sizes: { at: number; over?: number },
  more: { code?: Bound['code']; direction?: Direction } = {},
): Bound {
  return {
    what,
    direction: more.direction ?? 'to-node',
    make,
    at: sizes.at,
    over: sizes.over ?? sizes.at + 1,
    code: more.code ?? 'INVALID_MESSAGE',
  };
}

const a = (size: number) => 'a'.repeat(size);
const entries = (size: number) =>
  Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, 'v']));

const bounds: readonly Bound[] = [
  bound('participant', (n) => ({ ...to.enlist, participant: a(n) }), { at: 128 }),
  bound('participant, two bytes a letter', (n) => ({ ...to.enlist, participant: 'ä'.repeat(n) }), {
    at: 64,
  }),
  bound(
    'participant, three bytes a letter',
    (n) => ({ ...to.enlist, participant: '界'.repeat(n) }),
    { at: 42 },
  ),
  bound(
    'participant, four bytes a letter',
    (n) => ({ ...to.enlist, participant: '😀'.repeat(n) }),
    { at: 32 },
  ),
  bound('participant, shortest', (n) => ({ ...to.enlist, participant: a(n) }), { at: 1, over: 0 }),
  bound('branch', (n) => ({ ...to.working, branch: a(n) }), { at: 128 }),
  bound('instance', (n) => ({ ...to.hello, instance: a(n) }), { at: 128 }),
  bound('sharedResource', (n) => ({ ...to.hello, sharedResource: a(n) }), { at: 128 }),
  bound('token', (n) => ({ ...to.hello, token: a(n) }), { at: 2_048 }),
  bound(
    'roles',
    (n) => ({ ...to.hello, roles: Array(n).fill('client') }),
    { at: 16 },
    { code: 'LIMIT_EXCEEDED' },
  ),
  bound('roles, fewest', (n) => ({ ...to.hello, roles: Array(n).fill('client') }), {
    at: 1,
    over: 0,
  }),
  bound('requestId', (n) => ({ ...to.transact, requestId: a(n) }), { at: 128 }),
  bound('requestId, shortest', (n) => ({ ...to.transact, requestId: a(n) }), { at: 1, over: 0 }),
  bound('requestAgeMs', (n) => ({ ...to.transact, requestAgeMs: n }), { at: 2 ** 53 - 1 }),
  bound('attempt', (n) => ({ ...to.transact, attempt: n }), { at: 1, over: 0 }),
  bound('label', (n) => ({ ...to.begin, labels: { key: a(n) } }), { at: 256 }),
  bound('key of a label', (n) => ({ ...to.begin, labels: { [a(n)]: 'value' } }), { at: 128 }),
  bound(
    'labels',
    (n) => ({ ...to.begin, labels: entries(n) }),
    { at: 16 },
    { code: 'LIMIT_EXCEEDED' },
  ),
  bound('reason', (n) => ({ ...to.rollback, reason: a(n) }), { at: 1_024 }),
  bound('message of a vote', (n) => ({ ...to.vote, reason: { message: a(n) } }), { at: 1_024 }),
  bound('message of an error', (n) => ({ ...to.error, message: 'é'.repeat(n) }), { at: 512 }),
  bound('timeoutMs', (n) => ({ ...to.begin, timeoutMs: n }), { at: 2 ** 31 }),
  bound('timeoutMs, shortest', (n) => ({ ...to.begin, timeoutMs: n }), { at: 0, over: -1 }),
  bound('id', (n) => ({ ...to.begin, id: n }), { at: 2 ** 53 - 1 }),
  bound('id, lowest', (n) => ({ ...to.begin, id: n }), { at: 0, over: -1 }),
  bound('limit of a list', (n) => ({ ...to.list, limit: n }), { at: 10_000 }),
  bound(
    'branches',
    (n) => ({ ...to.transact, branches: Array(n).fill({ participant: 'p' }) }),
    { at: 128 },
    { code: 'LIMIT_EXCEEDED' },
  ),
  bound(
    'inDoubt',
    (n) => ({ ...to.report, inDoubt: Array(n).fill({ txid: sampleTxid, witness: sampleWitness }) }),
    { at: 1_000 },
    { code: 'LIMIT_EXCEEDED' },
  ),
  bound(
    'kept',
    (n) => ({ ...to.report, kept: Array(n).fill(sampleTxid) }),
    { at: 1_000 },
    { code: 'LIMIT_EXCEEDED' },
  ),
  bound(
    'revision',
    (n) => ({ ...to.resolve, witness: { generation: 1, revision: '9'.repeat(n) } }),
    { at: 20 },
  ),
  bound(
    'revision, shortest',
    (n) => ({ ...to.resolve, witness: { generation: 1, revision: '9'.repeat(n) } }),
    { at: 1, over: 0 },
  ),
  bound(
    'txids',
    (n) => ({ ...from.forget, txids: Array(n).fill(sampleTxid) }),
    { at: 10_000 },
    { code: 'LIMIT_EXCEEDED', direction: 'from-node' },
  ),
  bound(
    'url',
    (n) => ({ ...from.topology, nodes: [{ node: 'n', url: a(n) }] }),
    { at: 2_048 },
    { direction: 'from-node' },
  ),
  bound(
    'results',
    (n) => ({ ...from.outcome, results: entries(n) }),
    { at: 128 },
    { code: 'LIMIT_EXCEEDED', direction: 'from-node' },
  ),
];

const wide = { maxFrameBytes: 16_777_216 };

describe('limits of a message', () => {
  it.each(forms.flatMap((form) => bounds.map((entry) => ({ form, ...entry }))))(
    '$what in the $form form',
    ({ form, direction, make, at, over, code }) => {
      expect(decode(frameOf(form, make(at)), direction, wide)).toStrictEqual([
        { ok: true, message: make(at) },
      ]);
      expect(decode(frameOf(form, make(over)), direction, wide)).toMatchObject([
        { ok: false, problem: { code } },
      ]);
    },
  );

  it.each([...'\u0000\u0009\u000a\u001b\u007f\u0085\u009f'])(
    'a name holds no control character (%j)',
    (character) => {
      const [decoded] = decode(
        frameOf('binary', { ...to.enlist, participant: `a${character}b` }),
        'to-node',
      );
      expect(decoded).toMatchObject({ ok: false, problem: { id: to.enlist.id } });
    },
  );

  it.each([
    '',
    'x',
    sampleTxid.toUpperCase(),
    `${sampleTxid} `,
    ` ${sampleTxid}`,
    `${sampleTxid}0`,
    sampleTxid.slice(0, -1),
    sampleTxid.replace('.', ''),
    sampleTxid.replaceAll('.', '/'),
    `0${sampleTxid}`,
    `${sampleTxid}\n`,
  ])('%j is no txid', (txid) => {
    expect(decode(frameOf('binary', { ...to.commit, txid }), 'to-node')).toMatchObject([
      { ok: false, problem: { message: 'commit.txid must be a transaction id' } },
    ]);
  });

  it.each([
    '',
    sampleEpoch.slice(1),
    `${sampleEpoch}0`,
    sampleEpoch.toUpperCase().replace('1', 'A'),
  ])('%j is no epoch', (epoch) => {
    expect(decode(frameOf('binary', { ...to.transact, epoch }), 'to-node')).toMatchObject([
      { ok: false },
    ]);
  });

  it.each(['-1', '1e3', '0x1', ' 1', '1.0'])('%j is no revision', (revision) => {
    const query = { ...to.query, witness: { generation: 1, revision } };
    expect(decode(frameOf('binary', query), 'to-node')).toMatchObject([{ ok: false }]);
  });

  it('obeys the configured number of branches', () => {
    const frame = frameOf('binary', to.transact);
    expect(decode(frame, 'to-node', { maxBranches: 3 })).toMatchObject([{ ok: true }]);
    expect(decode(frame, 'to-node', { maxBranches: 2 })).toMatchObject([
      {
        ok: false,
        problem: {
          id: to.transact.id,
          code: 'LIMIT_EXCEEDED',
          message: 'transact.branches has 3 entries; it may have at most `maxBranches` entries',
        },
      },
    ]);
  });
});

/** Nested to `depth` levels: the message is the first. */
function deep(depth: number): Message {
  let payload: unknown = 1;
  for (let level = 1; level < depth; level += 1)
    payload = level % 2 === 0 ? [payload] : { in: payload };
  return { type: 'enlist', id: 3, txid: sampleTxid, participant: 'p', payload };
}

describe.each(forms)('limits of a frame in the %s form', (form) => {
  it('refuses the one message that is too deep, and no other', () => {
    expect(trip(deep(32), form, 'to-node')).toEqual(deep(32));
    expect(decode(encodeFrame([deep(33), to.begin], form), 'to-node')).toMatchObject([
      {
        ok: false,
        problem: {
          code: 'LIMIT_EXCEEDED',
          id: 3,
          message: 'The message nests maps and arrays deeper than 32 levels.',
        },
      },
      { ok: true },
    ]);
  });

  it('counts brackets within strings as text', () => {
    const message: Message = {
      type: 'enlist',
      id: 1,
      txid: sampleTxid,
      participant: 'p',
      payload: '"[{\\'.repeat(100),
    };
    expect(trip(message, form, 'to-node')).toEqual(message);
  });

  it('lets an answer wrap what was as deep as it may be', () => {
    const maxDepth = coordinatorOptionTable.maxDepth.max;
    let detail: unknown = 1;
    // The message is level 1, its reason level 2.
    for (let level = 3; level <= maxDepth; level += 1) detail = [detail];
    const vote = { ...to.vote, reason: { message: 'No.', detail } };
    expect(decode(encodeFrame([vote], form), 'to-node', { maxDepth })).toEqual([
      { ok: true, message: vote },
    ]);
    expect(decode(encodeFrame([vote], form), 'to-node', { maxDepth: maxDepth - 1 })).toMatchObject([
      { ok: false },
    ]);
    const [status] = from.list.transactions;
    const list = {
      ...from.list,
      transactions: [{ ...status, reason: { ...from.outcome.reason, detail } }],
    } as Message;
    expect(decode(encodeFrame([list], form), 'from-node', widestLimits)).toEqual([
      { ok: true, message: list },
    ]);
  });

  it('gives the frame up beyond the last level', () => {
    const brackets = (levels: number) =>
      form === 'text'
        ? `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
        : Uint8Array.from([0x81, 0xa1, 0x61, ...Array(levels - 2).fill(0x91), 0x90]);
    expect(decode(brackets(maxNesting), 'to-node')).toMatchObject([{ ok: false }]);
    expect(frameError(() => decode(brackets(maxNesting + 1), 'to-node'))).toMatchObject({
      closeCode: 1008,
      code: 'LIMIT_EXCEEDED',
    });
  });

  it('takes a frame of the largest size, and none above', () => {
    const frame = encodeFrame([{ ...to.rollback, reason: 'ä€😀' }], form);
    const bytes = Buffer.byteLength(frame as string);
    expect(decode(frame, 'to-node', { maxFrameBytes: bytes })).toHaveLength(1);
    expect(frameError(() => decode(frame, 'to-node', { maxFrameBytes: bytes - 1 }))).toMatchObject({
      closeCode: 1009,
      code: 'TOO_LARGE',
    });
  });

  it('takes the most messages, and none above', () => {
    const empty = (count: number) =>
      form === 'text' ? '{}\n'.repeat(count) : new Uint8Array(count).fill(0x80);
    expect(decode(empty(maxFrameMessages), 'to-node')).toHaveLength(maxFrameMessages);
    expect(frameError(() => decode(empty(maxFrameMessages + 1), 'to-node'))).toMatchObject({
      closeCode: 1008,
    });
  });

  it.each(['to-node', 'from-node'] as const)(
    'takes the most elements a message %s may have, and none above',
    (direction) => {
      const max = maxMessageElements[direction];
      const more = { maxFrameBytes: widestLimits.maxFrameBytes };
      const { branch: _without, traceparent: _, tracestate: __, ...enlist } = to.enlist;
      const { traceparent: _either, tracestate: _or, ...prepare } = from.prepare;
      // Each the message, its keys and its values, but for the payload's own.
      const [message, envelope] = direction === 'to-node' ? [enlist, 11] : ([prepare, 19] as const);
      const frame = (elements: number) =>
        encodeFrame([{ ...message, payload: Array(elements).fill(1) }], form);
      expect(decode(frame(max - envelope), direction, more)).toMatchObject([{ ok: true }]);
      expect(frameError(() => decode(frame(max - envelope + 1), direction, more))).toMatchObject({
        closeCode: 1008,
      });
    },
  );
});

it('does not take a depth that the scanner cannot follow', () => {
  expect(() =>
    decode(encodeMessage(to.begin, 'binary'), 'to-node', { maxDepth: maxNesting + 1 }),
  ).toThrow(RangeError);
});
