/**
 * What is known of every transaction by one who sees everything: the decision, what anybody was
 * told, and what each participant has on its disk. Every invariant that spans two of these is
 * checked here, when the later of the two comes.
 */
import type { Decision } from '../../../src/core/messages.ts';
import type { DecisionRecord, RecordedBranch } from '../../../src/core/records.ts';
import { epochOf, shardOf, type Txid } from '../../../src/core/txid.ts';
import { participantOf } from '../fleet.ts';
import type { World } from '../world/world.ts';
import { LockFacts } from './lock-facts.ts';
import { RequestFacts } from './request-facts.ts';

/** As it is in the journal on a participant's disk. */
export type DurableState = 'started' | 'prepared' | 'readonly' | 'committed' | 'tombstone';

export interface BranchFacts {
  readonly participant: string;
  readonly branch: string;
  /** Now; null: nothing is there, or no more. */
  state: DurableState | null;
  wasPrepared: boolean;
  wasCommitted: boolean;
  /** When that was, in the order of what happened. */
  committedAt: number | null;
  /** The machine whose journal has, or had, the vote. */
  owner: string | null;
  /** That journal is lost. */
  orphaned: boolean;
  /** The machines where it is, by a rollback or a refusal of their own; not by `forget`. */
  readonly buriedAt: Set<string>;
  /** Machines that were told to commit it in the place of its owner, as their store says. */
  readonly notedBy: Set<string>;
  /** The application undid what it had held under a durable vote. */
  undone: boolean;
  applied: number;
}

export interface Transaction {
  readonly txid: Txid;
  requestId: string | null;
  /** Branches whose enlistment was confirmed to a client. */
  readonly enlisted: Set<string>;
  /** By branch: the participant to which its prepare was sent. */
  readonly asked: Map<string, string>;
  /** By branch: the machine to which it was sent first, and to which it belongs. */
  readonly machines: Map<string, string>;
  /** When the first was, in the order of what happened. */
  firstAskedAt: number | null;
  firstAskedMs: number | null;
  /** By branch: what was voted first. */
  readonly votes: Map<string, string>;
  readonly branches: Map<string, BranchFacts>;
  record: DecisionRecord | null;
  /** What its record names still, where an operator spoke for the others. */
  reduced: readonly RecordedBranch[] | null;
  saidAborted: string | null;
  saidExpired: boolean;
  saidReadonly: boolean;
  finished: boolean;
  /** Its record was removed. */
  collected: boolean;
  /** Machines that had voted, and were told "abort" of what a sibling had committed. */
  readonly leftBy: Set<string>;
  /**
   * Etcd was set back to before something of it was recorded: only an operator can say what is true
   * of it.
   */
  lost: boolean;
  /** Nodes that have said its outcome, or commanded it. */
  readonly endedBy: Set<string>;
}

export class Facts {
  /** By the log. */
  readonly decided: Map<Txid, Decision> = new Map();
  /** Participants that may read the log themselves: no one need tell them anything. */
  readonly readers: Set<string> = new Set();
  /** Machines whose instance an operator has given up: their branches count as acknowledged. */
  readonly retired: Set<string> = new Set();
  /** Machines whose instance an operator has given up, and whose branches are their siblings'. */
  readonly left: Set<string> = new Set();
  /** Transaction and branch for which an operator spoke: no lock waits for them. */
  readonly byHand: Set<string> = new Set();
  /** By machine and branch: on its disk there is a vote to commit, and no more. */
  readonly bareVotes: Set<string> = new Set();
  /** By shard and epoch: etcd was set back, and led again up to the same revision. */
  readonly ledTwice: Set<string> = new Set();
  readonly #world: World;
  readonly #transactions = new Map<Txid, Transaction>();
  readonly #requests = new Map<string, RequestFacts>();
  readonly locks: LockFacts = new LockFacts(this);
  #moments = 0;
  checks = 0;

  constructor(world: World) {
    this.#world = world;
  }

  check(holds: boolean, invariant: string, what: string): void {
    this.checks += 1;
    if (!holds) this.#world.broken(`${invariant}: ${what}`);
  }

  /** Of one transaction, unless etcd has lost what was known of it. */
  checkOf(txid: Txid, holds: boolean, invariant: string, what: string): void {
    if (!holds && this.at(txid).lost) return;
    this.check(holds, invariant, what);
  }

  /** Etcd has forgotten what was recorded of it. */
  lose(txid: Txid): void {
    const facts = this.at(txid);
    facts.lost = true;
    this.decided.delete(txid);
    const requestId = facts.record?.requestId;
    if (requestId !== undefined) this.request(requestId).lost = true;
  }

  at(txid: Txid): Transaction {
    let known = this.#transactions.get(txid);
    if (known === undefined) {
      known = {
        txid,
        requestId: null,
        enlisted: new Set(),
        asked: new Map(),
        machines: new Map(),
        firstAskedAt: null,
        firstAskedMs: null,
        votes: new Map(),
        branches: new Map(),
        record: null,
        reduced: null,
        saidAborted: null,
        saidExpired: false,
        saidReadonly: false,
        finished: false,
        collected: false,
        leftBy: new Set(),
        lost: false,
        endedBy: new Set(),
      };
      this.#transactions.set(txid, known);
    }
    return known;
  }

  get nowMs(): number {
    return this.#world.nowMs;
  }

  all(): IterableIterator<Transaction> {
    return this.#transactions.values();
  }

  branch(txid: Txid, participant: string, branch: string): BranchFacts {
    const { branches } = this.at(txid);
    const key = `${participant}/${branch}`;
    let known = branches.get(key);
    if (known === undefined) {
      known = {
        participant,
        branch,
        state: null,
        wasPrepared: false,
        wasCommitted: false,
        committedAt: null,
        owner: null,
        orphaned: false,
        buriedAt: new Set(),
        notedBy: new Set(),
        undone: false,
        applied: 0,
      };
      branches.set(key, known);
    }
    return known;
  }

  /** A node has sent a prepare. */
  prepareSent(txid: Txid, branch: string, machine: string): void {
    const facts = this.at(txid);
    facts.asked.set(branch, participantOf(machine));
    if (!facts.machines.has(branch)) facts.machines.set(branch, machine);
    this.#moments += 1;
    facts.firstAskedAt ??= this.#moments;
    facts.firstAskedMs ??= this.#world.nowMs;
  }

  /** Whoever has to carry it out is not waited for any more; that it undoes nothing still holds. */
  gaveUp(txid: Txid, branch: string): boolean {
    const machine = this.at(txid).machines.get(branch);
    return machine !== undefined && this.retired.has(machine);
  }

  /** Whoever voted will never end it by itself: the store has the last word. */
  isOrphaned({ orphaned, owner }: BranchFacts): boolean {
    return orphaned || (owner !== null && this.left.has(owner));
  }

  /** Of recorded commits: the branches that are not durable, of this machine or of any. */
  owed(machine: string | null): { readonly txid: Txid; readonly branch: string }[] {
    const owed: { txid: Txid; branch: string }[] = [];
    for (const { txid, record, finished, lost, machines } of this.#transactions.values()) {
      if (record === null || finished || lost) continue;
      for (const { branch } of record.branches) {
        if (machine === null || machines.get(branch) === machine) owed.push({ txid, branch });
      }
    }
    return owed;
  }

  /** A vote has left its participant. One that equivocates keeps to its first. */
  voted(txid: Txid, branch: string, vote: string): void {
    const { votes } = this.at(txid);
    if (!votes.has(branch)) votes.set(branch, vote);
  }

  /** Nothing is to be committed, and nothing is recorded. */
  allReadonly(txid: Txid): boolean {
    const { asked, votes } = this.at(txid);
    return asked.size > 0 && [...asked.keys()].every((branch) => votes.get(branch) === 'readonly');
  }

  /** Its commit is on the participant's disk. */
  committedDurably(branch: BranchFacts): void {
    branch.wasCommitted = true;
    this.#moments += 1;
    branch.committedAt ??= this.#moments;
  }

  isCommitted(txid: Txid): boolean {
    return this.decided.get(txid) === 'commit';
  }

  /** The log has just recorded it. */
  committed(record: DecisionRecord): void {
    const { txid, requestId } = record;
    const facts = this.at(txid);
    facts.record = record;
    this.checkOf(
      txid,
      facts.saidAborted === null,
      'I2',
      `${txid} was committed, and ${facts.saidAborted} had been told that it is aborted`,
    );
    const owed = new Set(
      record.branches.map(({ participant, branch }) => `${participant}/${branch}`),
    );
    for (const name of facts.enlisted) {
      this.checkOf(
        txid,
        facts.asked.has(name),
        'I3',
        `${txid} was committed without its branch ${name}`,
      );
    }
    for (const [name, participant] of facts.asked) {
      const branch = this.branch(txid, participant, name);
      const key = `${participant}/${name}`;
      const voted = branch.state === 'prepared' || branch.state === 'readonly';
      this.checkOf(
        txid,
        voted,
        'I3',
        `${txid} was committed, and the vote of ${key} is not on its disk (${branch.state})`,
      );
      this.checkOf(
        txid,
        !branch.undone,
        'I1',
        `${txid} was committed, and ${key} had been rolled back`,
      );
      this.checkOf(
        txid,
        owed.has(key) === (branch.state === 'prepared'),
        'I9',
        `the record of ${txid} does not say rightly whether ${key} owes an acknowledgement`,
      );
    }
    this.locks.committed(record);
    if (requestId === undefined) return;
    const wrong = this.request(requestId).commit(txid);
    this.check(wrong === null, 'I8', `the request ${requestId} ${wrong}`);
  }

  finished(txid: Txid): void {
    const facts = this.at(txid);
    facts.finished = true;
    if (this.isCommitted(txid)) this.#allAcknowledged(txid, 'finished');
  }

  collected(txid: Txid): void {
    this.at(txid).collected = true;
    if (this.isCommitted(txid)) this.#allAcknowledged(txid, 'collected');
  }

  #allAcknowledged(txid: Txid, what: string): void {
    for (const { participant, branch } of this.at(txid).record?.branches ?? []) {
      const { wasCommitted } = this.branch(txid, participant, branch);
      if (this.gaveUp(txid, branch)) continue;
      this.checkOf(
        txid,
        wasCommitted,
        'I9',
        `${txid} was ${what}, and ${participant}/${branch} has no durable commit`,
      );
    }
  }

  request(requestId: string): RequestFacts {
    let request = this.#requests.get(requestId);
    if (request === undefined) {
      request = new RequestFacts((txid) => this.ledTwice.has(`${shardOf(txid)} ${epochOf(txid)}`));
      this.#requests.set(requestId, request);
    }
    return request;
  }

  /**
   * It voted for this commit, was away while a sibling acknowledged it in its place, and comes back
   * when the record is gone: it is in doubt of what lies below the floor, and "abort" is the answer
   * (PROTOCOL, 8.7). Only where the sibling has said so in their store, which keeps the branch from
   * being undone. An answer changes nothing of other branches of its own, whose votes were
   * readonly, or whose commit had got into its journal. It may have asked more than once.
   */
  wasLeftToSibling(txid: Txid, machine: string): boolean {
    const { collected, branches, leftBy } = this.at(txid);
    if (leftBy.has(machine)) return true;
    const inDoubt = [...branches.values()].filter(
      ({ owner, branch }) =>
        owner === machine && this.bareVotes.has(`${machine} ${txid}/${branch}`),
    );
    const wasLeft =
      collected &&
      inDoubt.length > 0 &&
      inDoubt.every(
        ({ wasCommitted, notedBy }) =>
          wasCommitted && [...notedBy].some((other) => other !== machine),
      );
    if (wasLeft) leftBy.add(machine);
    return wasLeft;
  }

  /** Somebody is told that it is aborted: from now on it must be. */
  saysAborted(txid: Txid, to: string): void {
    const facts = this.at(txid);
    if (facts.saidReadonly && facts.record === null) return;
    this.checkOf(
      txid,
      !this.isCommitted(txid),
      'I2',
      `${to} was told that ${txid} is aborted, and it is committed`,
    );
    facts.saidAborted ??= to;
  }

  saysCommitted(txid: Txid, to: string, options: { readonly readonly: boolean }): void {
    if (options.readonly && !this.isCommitted(txid)) {
      this.at(txid).saidReadonly = true;
      return;
    }
    if (this.at(txid).saidReadonly) return;
    this.checkOf(
      txid,
      this.isCommitted(txid),
      'I2',
      `${to} was told that ${txid} is committed, and there is no record of it`,
    );
  }
}
