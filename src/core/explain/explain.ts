/**
 * Why a transaction is where it is, from what its leader, the log and the participants say. Pure:
 * facts in, words out. The command line and the console show the same text.
 */

import type { Explanation, ExplanationSource } from '../messages.ts';
import { isAborted, reasonAdvice, reasonLine } from './aborted.ts';
import type { Facts, ParticipantFacts } from './facts.ts';
import { fromLeader } from './from-leader.ts';
import { fromLog } from './from-log.ts';
import { fitting, heldText, listed, said } from './words.ts';

/** Within what one message may hold. */
const maxEvents = 2_000;
const maxWaits = 1_000;
const maxAdvice = 16;
const maxSources = 200;

export function explain(facts: Facts): Explanation {
  const { leader } = facts;
  const told =
    leader.type === 'knows' ? fromLeader(facts, leader.transaction) : fromLog(facts, leader);
  const { reason } = told;
  const aborted = reason !== undefined && isAborted(told.state);
  return {
    ...told,
    summary: fitting(aborted ? `${told.summary} ${reasonLine(reason)}` : told.summary),
    events: told.events
      .slice(0, maxEvents)
      .map((event) => ({ ...event, text: fitting(event.text) })),
    waits: told.waits.slice(0, maxWaits).map((wait) => ({ ...wait, text: fitting(wait.text) })),
    advice: [...new Set([...told.advice, ...(aborted ? reasonAdvice(reason) : [])])]
      .slice(0, maxAdvice)
      .map(fitting),
    sources: sourcesOf(facts).slice(0, maxSources),
  };
}

function sourcesOf({ node, leader, log, participants }: Facts): ExplanationSource[] {
  return [leaderSource(leader), logSource(log, node), ...participants.map(participantSource)];
}

function leaderSource(leader: Facts['leader']): ExplanationSource {
  if (leader.type === 'knows') {
    return { source: 'leader', node: leader.node, ok: true, text: 'has it in memory' };
  }
  if (leader.type === 'forgot') {
    const scanned = leader.started ? '' : ', and is still reading what the log holds';
    const text = `has no such transaction in memory${scanned}`;
    return { source: 'leader', node: leader.node, ok: true, text };
  }
  const { node, why } = leader;
  return { source: 'leader', ...(node === null ? {} : { node }), ok: false, text: fitting(why) };
}

export function logSource(log: Facts['log'], node: string): ExplanationSource {
  if (!log.ok) return { source: 'log', node, ok: false, text: fitting(said(log.why)) };
  const { record } = log;
  return { source: 'log', node, ok: true, text: recordText(record) };
}

function recordText(record: Extract<Facts['log'], { ok: true }>['record']): string {
  if (record === null) return 'nothing is recorded';
  if (record.outcome === 'abort') return 'an abort is recorded: it was forced';
  return record.finished
    ? 'the commit is recorded, and every branch has acknowledged it'
    : 'the commit is recorded, and not every branch has acknowledged it';
}

function participantSource({
  participant,
  instance,
  branches,
  why,
}: ParticipantFacts): ExplanationSource {
  const of = { source: 'participant', participant, instance } as const;
  if (branches === null) return { ...of, ok: false, text: fitting(why ?? 'did not answer') };
  const texts = branches.map((held) => `${held.branch}: ${heldText(held)}`);
  return { ...of, ok: true, text: fitting(listed(texts)) || 'knows nothing of it' };
}
