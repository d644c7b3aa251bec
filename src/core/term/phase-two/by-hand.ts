/**
 * Branches that an operator settled by hand (ADR 9). They owe their transaction nothing any more,
 * and the log everything: its record stays in decisions/ until each of them has acknowledged after
 * all, or is retired. (!: gone sooner, a participant that comes back in doubt would be told "abort"
 * below the floor.)
 *
 * They are commanded when one connects that may have them, when it asks, and with each tick. (!: a
 * sibling that finds one in their store learns the outcome from any node, and has no journal to
 * report it from.) Not again where it knew nothing of it: each time it would raise an alarm.
 */

import { move, type Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { type Branch, byHandOf, moveBranch } from '../branch.ts';
import type { ConnectedParticipant } from '../connected.ts';
import type { Sender } from '../events.ts';
import type { TermState } from '../state.ts';

/** In one shard: each is read with every look through decisions/. */
const maxByHand = 1_000;

/** No one is left who could finish it: the branch owes nothing. */
export function isRetired(state: TermState, branch: Branch): boolean {
  const { participant, instance, sharedResource } = branch;
  return instance !== null && state.retired.frees({ participant, instance, sharedResource });
}

/** Whether its record may not go because of it. */
export function isHeld(state: TermState, branch: Branch): boolean {
  const word = byHandOf(branch);
  if (word === null || word.acknowledgedBy !== null) return false;
  return branch.state === 'committed' && !isRetired(state, branch);
}

/** The branches of it whose participants have not acknowledged after all. */
export function heldByHand(state: TermState, txid: Txid): Branch[] {
  const transaction = state.phaseTwo.byHand.get(txid);
  if (transaction === undefined) return [];
  return transaction.branches.values().filter((branch) => isHeld(state, branch));
}

/** Settled by hand, and not acknowledged by this participant after all. */
export function heldOf(state: TermState, participant: string): Branch[] {
  const all = [...state.phaseTwo.byHand.keys()].flatMap((txid) => heldByHand(state, txid));
  return all.filter((branch) => branch.participant === participant);
}

export function isKeptByHand({ phaseTwo }: TermState, txid: Txid): boolean {
  return phaseTwo.byHand.has(txid);
}

/** Committed, and over but for that. */
export function keptByHand(state: TermState, txid: Txid): Transaction | null {
  return state.phaseTwo.byHand.get(txid) ?? null;
}

export function mayHoldByHand({ phaseTwo }: TermState, txid: Txid): boolean {
  return phaseTwo.byHand.size < maxByHand || phaseTwo.byHand.has(txid);
}

/**
 * The record that an earlier leadership reduced. Of the others, who have forgotten it, nothing is
 * known: it is not among those that ended here.
 */
export function keepByHand(state: TermState, transaction: Transaction): void {
  for (const branch of transaction.branches.values()) {
    moveBranch(branch, 'commit');
    moveBranch(branch, 'settled');
  }
  move(transaction, 'settled');
  state.phaseTwo.byHand.set(transaction.txid, transaction);
  for (const branch of heldByHand(state, transaction.txid)) commandLate(state, branch);
  moveIfAcknowledged(state, transaction.txid);
}

/** Under way under this leadership, and some of it was settled by hand under an earlier one. */
export function startByHand({ phaseTwo }: TermState, transaction: Transaction): void {
  phaseTwo.byHand.set(transaction.txid, transaction);
}

/** Its participant has something of it: only a command is acknowledged by branch. */
export function commandByHand(state: TermState, from: Sender, txid: Txid): void {
  for (const branch of heldByHand(state, txid)) {
    if (state.connected.owns(from.connection, branch)) send(state, from.connection, branch);
  }
}

/** One has connected, or the leader has only now read what it may have. */
export function commandUnasked(state: TermState, peer: ConnectedParticipant): void {
  for (const { txid } of state.phaseTwo.byHand.values()) {
    for (const branch of heldByHand(state, txid)) {
      const isUnknown = byHandOf(branch)?.unknownTo.includes(peer.instance) === true;
      if (!isUnknown && state.connected.owns(peer.connection, branch))
        send(state, peer.connection, branch);
    }
  }
}

/** Now and then: one that could not carry it out may be able to, without connecting anew. */
export function commandAllByHand(state: TermState): void {
  for (const { txid } of state.phaseTwo.byHand.values()) {
    for (const branch of heldByHand(state, txid)) {
      const peer = state.connected.route(branch);
      const isUnknown = peer !== null && byHandOf(branch)?.unknownTo.includes(peer.instance);
      if (peer !== null && isUnknown === false) send(state, peer.connection, branch);
    }
  }
}

export function refuseLate(branch: Branch, { participant }: Sender): void {
  const word = byHandOf(branch);
  if (word === null || participant === null) return;
  branch.settledBy = { ...word, unknownTo: [...word.unknownTo, participant.instance] };
}

/** An operator asks for it. False where no one who may carry it out is connected. */
export function commandLate(state: TermState, branch: Branch): boolean {
  const peer = state.connected.route(branch);
  if (peer !== null) send(state, peer.connection, branch);
  return peer !== null;
}

function send(state: TermState, connection: number, branch: Branch): void {
  const { txid } = branch.transaction;
  const { epoch } = state.config;
  state.send(connection, { type: 'commit', txid, branch: branch.branch, epoch });
}

/** It counts as any other, and ends why the record stayed. */
export function acknowledgeLate(state: TermState, branch: Branch, from: Sender): void {
  const { txid } = branch.transaction;
  branch.connection = from.connection;
  const word = byHandOf(branch);
  if (word !== null) word.acknowledgedBy = from.participant?.instance ?? null;
  const { participant } = branch;
  state.note({ level: 'info', event: 'acknowledged-late', txid, participant });
  moveIfAcknowledged(state, txid);
}

/** What is retired owes the log nothing either. */
export function retiredByHand(state: TermState, participant: string): void {
  for (const { txid, branches } of [...state.phaseTwo.byHand.values()]) {
    const concerned = branches.values().some((branch) => branch.participant === participant);
    if (concerned) moveIfAcknowledged(state, txid);
  }
}

/** Where it is under way, or its record is being reduced, the end of that sees to it. */
export function moveIfAcknowledged(state: TermState, txid: Txid): void {
  const { byHand, finishing, moving } = state.phaseTwo;
  if (!byHand.has(txid) || heldByHand(state, txid).length > 0) return;
  if (state.transactions.has(txid) || finishing.has(txid) || moving.has(txid)) return;
  moving.add(txid);
  state.outbox.push({ type: 'finish', txid });
}

/** Its record has moved: only who acknowledged late is still to be told. */
export function lateOnes(state: TermState, txid: Txid): Transaction | undefined {
  if (!state.phaseTwo.moving.delete(txid)) return undefined;
  return state.phaseTwo.byHand.get(txid);
}
