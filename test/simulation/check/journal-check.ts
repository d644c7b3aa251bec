/**
 * Holds every change of a participant's journal, as it becomes durable, against what it may be: I4,
 * I7.
 */
import type { Txid } from '../../../src/core/txid.ts';
import { epochOf, shardOf } from '../../../src/core/txid.ts';
import type { KeyChange } from '../actors/durable.ts';
import { participantOf } from '../fleet.ts';
import type { DurableState, Facts } from './facts.ts';

interface StoredEntry {
  readonly state: DurableState;
  readonly epoch?: string;
}

export class JournalCheck {
  readonly #facts: Facts;
  /** By machine and shard. */
  readonly #epochs = new Map<string, string>();
  /** By machine and branch: siblings have a journal each. */
  readonly #states = new Map<string, DurableState>();
  /** Votes that a store keeps, and no journal has yet. */
  readonly #kept = new Set<string>();

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  written(machine: string, changes: readonly KeyChange[]): void {
    for (const [index, [key, value]] of changes.entries()) {
      if (key.startsWith('epochs/')) this.#epoch(machine, key, value as string);
      if (!/^[lrt]\//.test(key)) continue;
      const name = key.slice(2);
      // An entry that changes its area is removed from one and put in another.
      const next = changes[index + 1];
      if (value === undefined && next?.[1] !== undefined && next[0].slice(2) === name) continue;
      const slash = name.indexOf('/');
      const branch = JSON.parse(name.slice(slash + 1)) as string;
      const entry = (value as StoredEntry | undefined) ?? null;
      this.#entry(machine, name.slice(0, slash) as Txid, branch, entry);
    }
  }

  /** In its store, as a vote; the journal may lose it. */
  kept(machine: string, txid: Txid, name: string): void {
    const facts = this.#facts;
    const participant = participantOf(machine);
    const branch = facts.branch(txid, participant, name);
    const who = `${participant}/${name} of ${txid}`;
    facts.checkOf(
      txid,
      !branch.buriedAt.has(machine) && !branch.wasCommitted,
      'I7',
      `${who} was voted for after its end`,
    );
    const known = this.#epochs.get(`${machine} epochs/${shardOf(txid).toString(36)}`) ?? '';
    facts.checkOf(
      txid,
      epochOf(txid) >= known,
      'I7',
      `${who} voted though a newer epoch was known`,
    );
    this.#kept.add(`${machine} ${txid}/${name}`);
    branch.owner = machine;
    branch.wasPrepared = true;
    branch.state = 'prepared';
    this.#states.set(`${machine} ${txid}/${name}`, 'prepared');
  }

  /** What became in its store of a vote that no journal has. */
  #endKept(participant: string, txid: Txid, name: string, state: 'committed' | null): void {
    const branch = this.#facts.branch(txid, participant, name);
    const key = `${branch.owner} ${txid}/${name}`;
    if (!this.#kept.has(key)) return;
    branch.state = state;
    if (state === null) this.#states.delete(key);
    else this.#states.set(key, state);
  }

  /** With all that it knew. */
  lost(machine: string): void {
    this.#facts.left.delete(machine);
    for (const known of [this.#states, this.#epochs, this.#facts.bareVotes]) {
      for (const key of known.keys()) if (key.startsWith(`${machine} `)) known.delete(key);
    }
    for (const { branches } of this.#facts.all()) {
      for (const branch of branches.values()) {
        if (branch.owner !== machine) continue;
        branch.owner = null;
        branch.orphaned = true;
      }
    }
  }

  #epoch(machine: string, key: string, epoch: string): void {
    const name = `${machine} ${key}`;
    const before = this.#epochs.get(name) ?? '';
    this.#facts.check(
      before < epoch,
      'I7',
      `${machine} went back from epoch ${before} to ${epoch}`,
    );
    this.#epochs.set(name, epoch);
  }

  #entry(machine: string, txid: Txid, name: string, entry: StoredEntry | null): void {
    const facts = this.#facts;
    const participant = participantOf(machine);
    const branch = facts.branch(txid, participant, name);
    const key = `${machine} ${txid}/${name}`;
    const before = this.#states.get(key) ?? null;
    const after = entry?.state ?? null;
    if (after === 'prepared') facts.bareVotes.add(key);
    else facts.bareVotes.delete(key);
    // It counted before, and may be over by now.
    if (this.#kept.delete(key) && after === 'prepared') {
      if (branch.state === 'prepared') this.#states.set(key, after);
      return;
    }
    if (after === null) this.#states.delete(key);
    else this.#states.set(key, after);
    const who = `${participant}/${name} of ${txid}`;
    const committed = facts.isCommitted(txid);
    // A sibling's tombstone says nothing of the vote, which is in another journal.
    if (after !== null && after !== 'tombstone') branch.owner = machine;
    if (branch.owner === null || branch.owner === machine) branch.state = after;
    switch (after) {
      case 'prepared':
      case 'readonly':
      case 'started': {
        facts.checkOf(
          txid,
          !branch.buriedAt.has(machine) && !branch.wasCommitted,
          'I7',
          `${who} was ${after} after its end`,
        );
        if (after === 'started') return;
        const known = this.#epochs.get(`${machine} epochs/${shardOf(txid).toString(36)}`) ?? '';
        facts.checkOf(
          txid,
          (entry?.epoch ?? epochOf(txid)) >= known,
          'I7',
          `${who} voted ${after} though a newer epoch was known`,
        );
        if (after === 'prepared') branch.wasPrepared = true;
        return;
      }
      case 'committed':
        facts.checkOf(txid, committed, 'I4', `${who} was committed without a decision`);
        facts.checkOf(txid, branch.wasPrepared, 'I4', `${who} was committed without a vote`);
        facts.checkOf(
          txid,
          branch.applied === 1,
          'I1',
          `${who} is recorded as committed, and applied ${branch.applied} times`,
        );
        facts.committedDurably(branch);
        return;
      case 'tombstone':
        if (before === 'committed' || before === 'readonly') return;
        facts.checkOf(
          txid,
          before !== 'prepared' || !committed,
          'I1',
          `${who} was buried, and the decision is commit`,
        );
        if (before === 'prepared') {
          facts.checkOf(
            txid,
            facts.at(txid).saidAborted !== null || facts.readers.has(participant),
            'I4',
            `${who} had voted commit, and was buried though no one had said abort`,
          );
          branch.undone = true;
        }
        branch.buriedAt.add(machine);
        return;
      case null:
        facts.checkOf(
          txid,
          before === 'tombstone' || before === 'readonly',
          'I4',
          `${who} forgot that it was ${before}`,
        );
        return;
    }
  }

  applied(participant: string, txid: Txid, name: string): void {
    const facts = this.#facts;
    const branch = facts.branch(txid, participant, name);
    const who = `${participant}/${name} of ${txid}`;
    branch.applied += 1;
    facts.checkOf(txid, facts.isCommitted(txid), 'I4', `${who} was applied without a decision`);
    facts.checkOf(txid, branch.applied === 1, 'I1', `${who} was applied ${branch.applied} times`);
    facts.checkOf(txid, !branch.undone, 'I1', `${who} was applied after it had been rolled back`);
    this.#endKept(participant, txid, name, 'committed');
  }

  rolledBack(participant: string, txid: Txid, name: string): void {
    const facts = this.#facts;
    const branch = facts.branch(txid, participant, name);
    if (branch.state !== 'prepared') return;
    const who = `${participant}/${name} of ${txid}`;
    facts.checkOf(
      txid,
      !facts.isCommitted(txid),
      'I1',
      `${who} was rolled back, and the decision is commit`,
    );
    branch.undone = true;
    if (!this.#kept.has(`${branch.owner} ${txid}/${name}`)) return;
    facts.checkOf(
      txid,
      facts.at(txid).saidAborted !== null || facts.readers.has(participant),
      'I4',
      `${who} had voted commit, and was rolled back though no one had said abort`,
    );
    this.#endKept(participant, txid, name, null);
  }
}
