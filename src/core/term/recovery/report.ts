/** What a participant in doubt is told without asking line by line: its report, and late votes. */
import { isAhead } from '../../judge.ts';
import type { Report } from '../../messages.ts';
import { positionOf, type Txid } from '../../txid.ts';
import { type LogAnswer, type Sender, senderOf } from '../events.ts';
import { commandByHand, finishing } from '../phase-two/phase-two.ts';
import type { Asked, OpenReport } from '../questions.ts';
import { takesPart } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { alarmAhead, isOthers, judged, remembered, wasNeverBegun } from './judgement.ts';
import { readDoubt } from './waiting.ts';

/** A vote that came after the decision is answered with the decision. */
export function answerLateVote(state: TermState, from: Sender, txid: Txid): void {
  answerDoubts(state, from, [txid], null);
}

/** Whether the commits of its branches there are sent by this connection, or wait for a turn. */
function isCommanded(state: TermState, from: Sender, txid: Txid): boolean {
  const name = from.participant?.name;
  let owed = false;
  for (const branch of state.transactions.get(txid)?.branches.values() ?? []) {
    if (branch.participant !== name) continue;
    if (branch.state !== 'committing' || branch.connection !== from.connection) return false;
    owed = true;
  }
  return owed;
}

/** Answers an enlisted participant in doubt, with `decision` messages. Returns what is left. */
function sayRemembered(state: TermState, from: Sender, txids: readonly Txid[]): Txid[] {
  const unknown: Txid[] = [];
  for (const txid of txids) {
    // To whoever has no branch of it, it is as one that never was: the line stays unanswered.
    if (isOthers(state, from, txid)) continue;
    const known = remembered(state, txid);
    if (known !== null) {
      state.send(from.connection, { type: 'decision', txid, ...known });
      commandByHand(state, from, txid);
    } else if (wasNeverBegun(state, txid)) alarmAhead(state, from);
    else unknown.push(txid);
  }
  return unknown;
}

export function inDoubtRead(
  state: TermState,
  { from, txids, report }: Asked<'in-doubt'>,
  readings: readonly LogAnswer[] | null,
): void {
  for (const [index, txid] of txids.entries()) {
    const reading = readings?.[index];
    if (reading === undefined) continue;
    const known = judged(state, txid, reading, { inDoubt: true });
    if (known === 'ahead') alarmAhead(state, from);
    // A deposed leader keeps silent: its successor gets the report too.
    else if (known !== 'deposed') state.send(from.connection, { type: 'decision', txid, ...known });
  }
  if (report === null) return;
  report.failed ||= readings === null;
  answerKept(state, report);
}

/**
 * A report: its doubts whose witness is not ahead of the log, then what it still keeps. As
 * `ask`, with one reading for all of its witnesses.
 *
 * The leadership may end while that reading is under way, and memory is looked at all the same.
 * Begun here and not handed to the log: `lose` made it an abort, and no other leadership can commit
 * it. Handed to it: READY until the log was read, 'undecided' to a report, which keeps no one
 * waiting, as a resolve would. Of a later leadership: not in memory, and the reading for it shows
 * who leads. So no answer is wrong; the successor gets the report too.
 */
export function report(state: TermState, from: Sender, message: Report): void {
  const { id, inDoubt, kept } = message;
  if (state.config.debug) {
    const participant = from.participant?.name;
    const lines = { inDoubt: inDoubt.length, kept: kept.length };
    state.note({ level: 'debug', event: 'report', participant, ...lines });
  }
  const open: OpenReport = { from, id, kept, failed: false };
  const trusted: Txid[] = [];
  const doubtful: (typeof inDoubt)[number][] = [];
  for (const line of inDoubt) {
    if (isAhead(line.witness, state.witness)) doubtful.push(line);
    else trusted.push(line.txid);
  }
  const [first] = doubtful;
  if (first === undefined) answerDoubts(state, from, trusted, open);
  else {
    state.read([first.txid], { type: 'report-witnesses', report: open, trusted, doubtful }, from);
  }
}

export function reportWitnessesRead(
  state: TermState,
  { report, trusted, doubtful }: Asked<'report-witnesses'>,
  readings: readonly LogAnswer[] | null,
): void {
  const all = [...trusted];
  report.failed ||= readings === null;
  for (const line of readings === null ? [] : doubtful) {
    if (isAhead(line.witness, state.witness)) alarmAhead(state, report.from, line.witness);
    else all.push(line.txid);
  }
  answerDoubts(state, report.from, all, report);
}

/** `report`: what they are lines of, null for a vote that came too late. */
export function answerDoubts(
  state: TermState,
  from: Sender,
  txids: readonly Txid[],
  report: OpenReport | null,
): void {
  // Its own commands bring a report's outcomes, in pieces that it can take (Commands, section 10).
  const open = report === null ? txids : txids.filter((txid) => !isCommanded(state, from, txid));
  const unknown = sayRemembered(state, from, open);
  if (unknown.length > 0) {
    readDoubt(state, { type: 'in-doubt', from, txids: unknown, report }, unknown);
  } else if (report !== null) {
    answerKept(state, report);
  }
}

/** Commits that it still keeps: told to forget those whose record has moved or is gone. */
export function answerKept(state: TermState, report: OpenReport): void {
  for (const txid of report.kept) commandByHand(state, report.from, txid);
  const unknown = report.kept.filter(
    (txid) =>
      !state.transactions.has(txid) &&
      !finishing(state).has(txid) &&
      !isOthers(state, report.from, txid),
  );
  if (unknown.length === 0) endReport(state, report);
  else readDoubt(state, { type: 'report-kept', report, txids: unknown }, unknown);
}

export function keptRead(
  state: TermState,
  { report, txids }: Asked<'report-kept'>,
  readings: readonly LogAnswer[] | null,
): void {
  const { from } = report;
  const forget: Txid[] = [];
  for (const [index, txid] of txids.entries()) {
    const reading = readings?.[index];
    if (reading === undefined) continue;
    // To whoever has no branch of it, it is as one that never was: the line stays unanswered.
    const branches = reading.record?.record?.branches ?? [];
    if (branches.length > 0 && !takesPart(from, branches)) continue;
    if (reading.record?.outcome === 'commit') {
      // Still in decisions/: phase 2 goes on, and its acknowledgement is owed. Or it stays there
      // for branches of others, which were settled by hand.
      if (reading.record.finished || !owes(reading, from)) forget.push(txid);
    } else if (reading.record === null && positionOf(txid) <= reading.floor) {
      forget.push(txid);
    } else {
      const { name: participant, instance } = from.participant ?? {};
      const event = 'commit-without-record';
      state.note({ level: 'error', event, txid, participant, instance });
    }
  }
  if (forget.length > 0) state.send(from.connection, { type: 'forget', txids: forget });
  report.failed ||= readings === null;
  endReport(state, report);
}

/** Whether its acknowledgement is owed still, while its record is in decisions/. */
function owes({ record }: LogAnswer, { participant }: Sender): boolean {
  const { branches = [], byHand } = record?.record ?? {};
  if (byHand === undefined) return true;
  return branches.some((branch) => branch.participant === participant?.name);
}

function endReport(state: TermState, { from, id, failed }: OpenReport): void {
  if (failed) state.fail(senderOf(from, id), 'LOG_UNAVAILABLE');
  else state.send(from.connection, { type: 'reported', id });
}
