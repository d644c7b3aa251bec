/** What to do next about a transaction that its leader has in memory. */
import { durationText } from '../duration.ts';
import type { BranchFacts, Facts, TransactionFacts } from './facts.ts';
import { heardOf } from './heard.ts';
import { listed, said } from './words.ts';

/** Shorter waits need no one. */
const longMs = 1_000;

export function* adviceLines(facts: Facts, transaction: TransactionFacts): Generator<string> {
  const { txid } = facts;
  const { state, locks, ageMs, blocks } = transaction;
  if (state === 'PENDING' || state === 'PREPARING') {
    const holders = new Set(locks.flatMap(({ waitsFor = [] }) => waitsFor));
    for (const holder of [...holders].slice(0, 2)) {
      yield `What holds the lock: verdict explain ${holder}`;
    }
    for (const branch of transaction.branches) yield* phaseOneAdvice(facts, branch);
    if (ageMs > longMs) yield `To give it up now: verdict resolve ${txid}`;
  } else if (state === 'READY') {
    if (!facts.log.ok || ageMs > longMs) yield logAdvice;
  } else {
    for (const branch of transaction.branches) yield* phaseTwoAdvice(facts, branch);
    yield* byHandAdvice(txid, transaction);
  }
  yield* fitnessAdvice(transaction);
  if (blocks.length > 0) {
    const who = listed(blocks.map(({ key, txid: other }) => `${other} for "${said(key)}"`));
    yield `Others wait for its locks: ${who}.`;
  }
}

export function adviceOf(facts: Facts, transaction: TransactionFacts): string[] {
  return [...adviceLines(facts, transaction)];
}

export const logAdvice =
  'See whether the decision log answers: with etcd its quorum, disk and space alarm (docs/OPERATING.md), in single mode the disk under --data. It is decided as soon as the log is back; do not restart the nodes.';

function* phaseOneAdvice(facts: Facts, branch: BranchFacts): Generator<string> {
  const { participant, state } = branch;
  if (state === 'unreachable') {
    yield `Start ${participant}, or compare its name with what \`verdict status\` shows.`;
  } else if (state === 'preparing') {
    const heard = heardOf(facts, branch).map((held) => held.state);
    if (heard.includes('preparing') || heard.includes('working')) {
      yield `Find out what the prepare of ${participant} waits for: its database's locks, or another service.`;
    } else if (isMute(facts, participant)) {
      yield muteAdvice(participant);
    }
  }
}

function isMute({ participants }: Facts, name: string): boolean {
  return participants.some(
    ({ participant, branches, why }) =>
      participant === name && branches === null && why === noAnswer,
  );
}

function muteAdvice(participant: string): string {
  return `${participant} is connected and does not answer: look whether its process stands still.`;
}

/** Why a participant that was asked says nothing. */
export const noAnswer = 'did not answer in time';
export const cannotSay = 'runs a version that cannot be asked';

function* phaseTwoAdvice(facts: Facts, branch: BranchFacts): Generator<string> {
  const { participant, state, connected, instance, lastError } = branch;
  if (state !== 'committing' && state !== 'rolling-back') return;
  if (connected === false) {
    yield `Start ${participant} again${instance === null ? '' : ` with the data directory of instance ${instance}`}, or let it reach the nodes if it runs. What is decided waits for it as long as it takes.`;
    if (instance !== null) {
      yield `Only if the store of that instance is lost for good: verdict retire ${participant} ${instance}`;
    }
    return;
  }
  const heard = heardOf(facts, branch).map((held) => held.state);
  if (state === 'committing' && heard.includes('unknown') && heard.length === 1) {
    yield `${participant} has voted commit and knows nothing of it now: its journal was lost or restored from a backup. See its alarms and docs/OPERATING.md, "Alarms".`;
  } else if (heard.length === 0 && isMute(facts, participant)) {
    yield muteAdvice(participant);
  } else if (lastError !== null) {
    yield `Put right what ${participant} says is wrong; it is tried again by itself until it succeeds.`;
  }
}

function* byHandAdvice(txid: string, { attention, branches }: TransactionFacts): Generator<string> {
  const owing = branches.filter(({ state }) => state === 'committing' || state === 'rolling-back');
  if (owing.some(({ connected, lastError }) => connected === true && lastError !== null)) {
    yield `To have it tried at once, and not when its turn comes: verdict retry ${txid}`;
  }
  const [first] = owing;
  if (attention && first !== undefined) {
    yield `Only if what ${first.participant} owes was done there by hand: verdict acknowledge ${txid} --branch ${first.branch} --reason "..."`;
  }
}

function* fitnessAdvice({ fitness }: TransactionFacts): Generator<string> {
  for (const { participant, breaker, retryInMs } of fitness) {
    if (breaker === 'closed') continue;
    const until = retryInMs === null ? '' : ` for another ${durationText(retryInMs)}`;
    yield breaker === 'open'
      ? `${participant} did not answer several prepares: transactions that need it are refused${until}, then one is let through as a probe.`
      : `${participant} did not answer several prepares: one transaction probes whether it is back, the others are refused.`;
  }
}
