/**
 * What the tests of logs and journals share: a real clock, seeded chance, temporary directories,
 * txids.
 */

import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Epoch,
  epochParts,
  makeEpoch,
  placeOf,
  randomDigits,
  type Txid,
} from '../../../src/core/txid.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type {
  DecideResult,
  DecisionWrite,
  Leadership,
  LogMeta,
  RecordedBranch,
} from '../../../src/ports/decision-log.ts';
import type { Random } from '../../../src/ports/random.ts';
import { TxidSeal } from '../../../src/system/txid-seal.ts';
import { makeTxid } from '../core/txids.ts';

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

export const realRandom: Random = {
  fraction: () => Math.random(),
  token: (length) => Array.from({ length }, () => randomInt(36).toString(36)).join(''),
};

export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'verdict-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** The txid of a place in the order; always the same one for the same place. */
export function txidAt(epoch: Epoch, sequence: number, shard = 0): Txid {
  const random = sequence.toString(36).padStart(randomDigits, '0');
  return makeTxid({ shard, epoch, sequence, random });
}

/** As that cluster gives them out: whoever reads etcd alone believes no others. */
export function issuedAt(
  { txidSecret }: Pick<LogMeta, 'txidSecret'>,
  epoch: Epoch,
  sequence: number,
  shard = 0,
): Txid {
  const at = { shard, epoch, sequence };
  return makeTxid({ ...at, random: new TxidSeal(txidSecret).randomPart(placeOf(at), realRandom) });
}

/** One that no leadership of a test comes to have. */
export function epochAbove(epoch: Epoch): Epoch {
  const { generation, revision } = epochParts(epoch);
  return makeEpoch({ generation, revision: revision + 1_000_000n });
}

export const someBranches: readonly RecordedBranch[] = [
  { branch: 'inventory', participant: 'inventory', instance: 'i-1' },
  { branch: 'payment', participant: 'payment', instance: 'p-1', sharedResource: 'ledger' },
];

export function commitOf(
  txid: Txid,
  more: { readonly requestId?: string; readonly finished?: boolean } = {},
): DecisionWrite {
  const { requestId } = more;
  return {
    record: {
      txid,
      outcome: 'commit',
      branches: more.finished === true ? [] : someBranches,
      ...(requestId === undefined ? {} : { requestId, requestHash: `hash of ${requestId}` }),
      atMs: 1_700_000_000_000,
    },
    finished: more.finished ?? false,
  };
}

/** In one turn of the event loop; the answers in order. */
export function decideAll(
  leadership: Leadership,
  writes: readonly DecisionWrite[],
): Promise<readonly DecideResult[]> {
  return Promise.all(writes.map((write) => leadership.decide(write)));
}

export const never: AbortSignal = new AbortController().signal;
