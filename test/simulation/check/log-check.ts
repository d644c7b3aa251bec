/**
 * Holds every change of etcd, as it is made, against the invariants: what is decided, under whom,
 * on which votes, and what is thrown away.
 */

import type { DecisionRecord } from '../../../src/core/records.ts';
import {
  type Epoch,
  epochOf,
  makeEpoch,
  positionOf,
  positionZero,
  shardOf,
  type Txid,
} from '../../../src/core/txid.ts';
import { EtcdKeys } from '../../../src/decision-log/etcd/keys.ts';
import {
  decodeDecision,
  decodeFinished,
  decodeLeader,
  decodeMeta,
  decodePosition,
} from '../../../src/decision-log/etcd/records.ts';
import type { Change, EtcdState, Stored } from '../etcd/state.ts';
import type { Facts } from './facts.ts';

const metaKey = '/verdict/simulated/meta';
const prefix = '/verdict/simulated/shards/';

export class LogCheck {
  readonly #facts: Facts;
  readonly #state: EtcdState;
  readonly #keys = new EtcdKeys('simulated');
  /** At which revision something of a transaction was recorded last. */
  readonly #changedAt = new Map<Txid, number>();
  readonly #leaderships = new Set<string>();
  /** A node has found the log set back, and no operator has acted yet. */
  #marked = false;

  readonly #maxUndecidedMs: number;

  /** `maxUndecidedMs`: no transaction is undecided for longer than its time-out. */
  constructor(facts: Facts, state: EtcdState, { maxUndecidedMs }: { maxUndecidedMs: number }) {
    this.#facts = facts;
    this.#state = state;
    this.#maxUndecidedMs = maxUndecidedMs;
  }

  applied(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.key === metaKey) this.#meta(change);
      if (!change.key.startsWith(prefix)) continue;
      this.#facts.check(
        !this.#marked || change.after === null,
        'I6',
        `${change.key} was written in a log that is marked as set back`,
      );
      const [shard = '', area = '', ...rest] = change.key.slice(prefix.length).split('/');
      const name = rest.join('/');
      if (area === 'decisions' || area === 'finished') {
        this.#changedAt.set(name as Txid, this.#state.revision);
      }
      if (area === 'decisions') this.#decision(name as Txid, change, changes);
      else if (area === 'finished') this.#finished(name as Txid, change, changes);
      else if (area === 'requests') this.#request(name, change);
      else if (area === 'leader') this.#led(Number.parseInt(shard, 36), change);
      else if (area === 'floor') this.#floor(Number.parseInt(shard, 36), change);
    }
  }

  #meta({ after }: Change): void {
    this.#marked = after !== null && decodeMeta(after.value).setBack !== undefined;
  }

  setBack(revision: number): void {
    // The copy is older than any mark: one log is set back once.
    this.#marked = false;
    for (const [txid, changedAt] of this.#changedAt) {
      if (changedAt > revision) this.#facts.lose(txid);
    }
  }

  #led(shard: number, { after }: Change): void {
    if (after === null) return;
    const epoch = epochUnder(after);
    const leadership = `${shard} ${epoch}`;
    if (this.#leaderships.has(leadership)) this.#facts.ledTwice.add(leadership);
    this.#leaderships.add(leadership);
  }

  #decision(txid: Txid, { before, after }: Change, changes: readonly Change[]): void {
    const { facts } = this;
    if (after === null) {
      const moved = changes.some(
        ({ key, after: put }) => key.endsWith(`finished/${txid}`) && put !== null,
      );
      facts.checkOf(
        txid,
        moved,
        'I9',
        `the decision of ${txid} was deleted without a finished record`,
      );
      return;
    }
    if (before !== null) {
      this.#settled(txid, decodeDecision(before.value), decodeDecision(after.value));
      return;
    }
    this.#decided(txid, decodeDecision(after.value));
  }

  /** An operator spoke: never of the outcome, and whoever else is left out is durable. */
  #settled(txid: Txid, before: DecisionRecord, after: DecisionRecord): void {
    const { facts } = this;
    const { byHand = [], branches } = after;
    const rest = ({ byHand: _, branches: _b, locks: _l, ...kept }: DecisionRecord) =>
      JSON.stringify(kept);
    const left = before.branches.filter((one) => !branches.some((b) => b.branch === one.branch));
    facts.checkOf(
      txid,
      rest(before) === rest(after) &&
        byHand.every((one) => facts.byHand.has(`${txid}/${one.branch}`)),
      'I2',
      `the decision of ${txid} was written over`,
    );
    // Nothing is left out where the others only read: they were never in it.
    const isReduced = branches.every(({ branch }) => byHand.some((one) => one.branch === branch));
    if (isReduced) facts.at(txid).reduced = branches;
    for (const { participant, branch } of left) {
      const { wasCommitted } = facts.branch(txid, participant, branch);
      facts.checkOf(
        txid,
        wasCommitted || facts.gaveUp(txid, branch),
        'I9',
        `the record of ${txid} leaves ${participant}/${branch} out, which has no durable commit`,
      );
    }
  }

  #decided(txid: Txid, record: DecisionRecord): void {
    const { facts } = this;
    const { outcome } = record;
    const known = facts.decided.get(txid);
    facts.checkOf(
      txid,
      known === undefined,
      'I2',
      `${txid} was decided ${known} and then ${outcome}`,
    );
    facts.checkOf(
      txid,
      epochOf(txid) === this.#leaderEpoch(shardOf(txid)),
      'I6',
      `the ${outcome} of ${txid} was written while another epoch led`,
    );
    facts.checkOf(
      txid,
      positionOf(txid) > this.#floorOf(shardOf(txid)),
      'I9',
      `${txid} was decided below the floor`,
    );
    facts.decided.set(txid, outcome);
    if (outcome === 'commit') facts.committed(record);
  }

  #finished(txid: Txid, { before, after }: Change, changes: readonly Change[]): void {
    const { facts } = this;
    if (after === null) {
      facts.checkOf(
        txid,
        positionOf(txid) <= this.#floorOf(shardOf(txid)),
        'I9',
        `the finished record of ${txid} was deleted, and the floor is below it`,
      );
      facts.collected(txid);
      return;
    }
    facts.checkOf(txid, before === null, 'I2', `the finished record of ${txid} was written over`);
    const { outcome, requestId, atMs } = decodeFinished(after.value);
    const moved = changes.some(
      ({ key, after: put }) => key.endsWith(`decisions/${txid}`) && put === null,
    );
    if (!moved) {
      this.#decided(txid, {
        txid,
        outcome,
        branches: [],
        atMs,
        ...(requestId === undefined ? {} : { requestId, requestHash: '' }),
      });
      return;
    }
    facts.checkOf(
      txid,
      facts.decided.get(txid) === outcome,
      'I2',
      `${txid} changed its outcome as it was finished`,
    );
    facts.finished(txid);
  }

  #request(name: string, { before, after }: Change): void {
    if (after === null) return;
    this.facts.check(before === null, 'I8', `the request ${name} was written over`);
  }

  #floor(shard: number, { before, after }: Change): void {
    const { facts } = this;
    if (after === null) {
      facts.check(false, 'I9', `the floor of shard ${shard} was deleted`);
      return;
    }
    if (before === null) return;
    const [from, to] = [decodePosition(before.value), decodePosition(after.value)];
    facts.check(from < to, 'I9', `the floor of shard ${shard} went from ${from} to ${to}`);
    const leading = this.#leaderEpoch(shard);
    for (const {
      txid,
      record,
      saidAborted,
      saidExpired,
      saidReadonly,
      firstAskedMs,
    } of facts.all()) {
      if (firstAskedMs === null || record !== null) continue;
      if (saidAborted !== null || saidExpired || saidReadonly) continue;
      // Its client and its participants may be away: then it was aborted, and no one was there to
      // be told.
      if (facts.nowMs - firstAskedMs > this.#maxUndecidedMs) continue;
      if (shardOf(txid) !== shard || epochOf(txid) !== leading) continue;
      facts.check(positionOf(txid) > to, 'I9', `the floor went over ${txid}, which is undecided`);
    }
  }

  get facts(): Facts {
    return this.#facts;
  }

  #leaderEpoch(shard: number): string | null {
    const stored = this.#state.get(this.#keys.shard(shard).leader.toString('latin1'));
    return stored === null ? null : epochUnder(stored);
  }

  #floorOf(shard: number): string {
    const stored = this.#state.get(this.#keys.shard(shard).floor.toString('latin1'));
    return stored === null ? positionZero : decodePosition(stored.value);
  }

  /** What is still under decisions/, of all shards. */
  pending(shards: number): readonly DecisionRecord[] {
    const found: DecisionRecord[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      const { key, range_end } = this.#keys.shard(shard).decisions;
      for (const { value } of this.#state.range(
        key.toString('latin1'),
        range_end.toString('latin1'),
      )) {
        found.push(decodeDecision(value));
      }
    }
    return found;
  }
}

/** Of the leadership whose key it is. */
function epochUnder({ value, modRevision }: Stored): Epoch {
  return makeEpoch({ generation: decodeLeader(value).generation, revision: BigInt(modRevision) });
}
