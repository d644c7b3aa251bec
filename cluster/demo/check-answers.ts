/** What `submit` was told, against the decision log and against what had to happen. */
import { hotStock } from '../shop/seed.ts';
import { type Answer, codeOf } from './answers.ts';
import { committedIn, hasCollected } from './internals/committed.ts';
import { type Facts, unfinished } from './internals/facts.ts';
import type { Expectation } from './orders.ts';
import type { Check } from './reconcile.ts';

/** More of these, and it is no accident any more. */
const passingShareDefault = 0.1;

export const answerChecks: readonly Check[] = [
  { name: 'Every order has exactly one answer, and a final one', find: oneAnswerEach },
  { name: 'Every answer agrees with the decision log', find: answersAgree },
  { name: 'Every commit in the log was answered, one for each order', find: commitsAnswered },
  { name: 'What had to fail failed, for its own reason; the rest committed', find: expectations },
  { name: 'Nothing is in doubt or unfinished anywhere', find: unfinished },
];

function* oneAnswerEach({ orders, answers }: Facts): Generator<string> {
  const counts = new Map<string | null, number>();
  for (const { requestId } of answers) counts.set(requestId, (counts.get(requestId) ?? 0) + 1);
  for (const { orderId } of orders) {
    const count = counts.get(orderId) ?? 0;
    if (count !== 1) yield `${orderId} has ${count} answers.`;
    counts.delete(orderId);
  }
  for (const requestId of counts.keys()) yield `There is an answer for ${requestId}, but no order.`;
  for (const answer of answers) {
    const { requestId, txid, outcome } = answer;
    if (outcome === 'committed' || outcome === 'aborted') continue;
    yield `${requestId} (${txid}) was answered ${outcome}: ${codeOf(answer)}.`;
  }
}

function* answersAgree({ answers, log }: Facts): Generator<string> {
  const committed = committedIn(log);
  const requests = new Map([...committed].map(([txid, requestId]) => [requestId, txid]));
  for (const { requestId, txid, outcome } of answers) {
    if (outcome === 'committed') {
      if (txid === null || !committed.has(txid)) {
        yield `${requestId} was answered committed as ${txid}, but the log has no such commit.`;
      } else if (committed.get(txid) !== requestId) {
        yield `${requestId} was answered committed as ${txid}, which the log has for ${committed.get(txid)}.`;
      }
    } else if (outcome === 'aborted' && requests.has(requestId)) {
      yield `${requestId} was answered aborted, but the log has its commit as ${requests.get(requestId)}.`;
    }
  }
}

function* commitsAnswered({ answers, log }: Facts): Generator<string> {
  if (hasCollected(log)) {
    yield `The log has collected records up to ${log.floor}: it cannot be compared any more.`;
  }
  const answered = new Set(
    answers.filter(({ outcome }) => outcome === 'committed').map(({ txid }) => txid),
  );
  const seen = new Map<string | null, string>();
  for (const [txid, requestId] of committedIn(log)) {
    if (!answered.has(txid)) yield `The log has ${txid} (${requestId}), which was not answered so.`;
    const other = seen.get(requestId);
    if (other !== undefined)
      yield `The log has two commits for ${requestId}: ${other} and ${txid}.`;
    seen.set(requestId, txid);
  }
}

function* expectations({
  orders,
  answers,
  maxPassingShare = passingShareDefault,
}: Facts): Generator<string> {
  const byId = new Map(answers.map((answer) => [answer.requestId, answer]));
  const hot = { wanted: 0, committed: 0, passing: 0 };
  let passing = 0;
  for (const order of orders) {
    const answer = byId.get(order.orderId);
    if (answer === undefined) continue;
    const isPassing = saysNothing(answer);
    if (isPassing) passing += 1;
    if (order.expected === 'hot') {
      hot.wanted += 1;
      if (answer.outcome === 'committed') hot.committed += 1;
      if (isPassing) hot.passing += 1;
    }
    if (isPassing || endings[order.expected](answer)) continue;
    yield `${order.orderId} (${order.expected}) ended otherwise: ${answer.outcome} ${answer.reason?.message ?? codeOf(answer) ?? ''}`.trim();
  }
  const due = Math.min(hotStock, hot.wanted);
  if (hot.committed > due || hot.committed < due - hot.passing) {
    yield `${hot.committed} of the ${hotStock} rare articles were sold to ${hot.wanted} who wanted one.`;
  }
  if (passing > orders.length * maxPassingShare) {
    yield `${passing} of ${orders.length} orders were aborted by time-outs and crashes.`;
  }
}

/**
 * An abort that may pass when it is tried again says nothing about the order: a time-out on a busy
 * machine, a participant that died before its vote. A stale version does: it must be read again
 * first.
 */
function saysNothing({ outcome, reason }: Answer): boolean {
  return outcome === 'aborted' && reason?.retryable === true && reason.code !== 'CONFLICT';
}

const endings: Readonly<Record<Expectation, (answer: Answer) => boolean>> = {
  commits: ({ outcome }) => outcome === 'committed',
  reader: ({ outcome }) => outcome === 'committed',
  hot: ({ outcome, reason }) => outcome === 'committed' || votedAbort(reason, 'inventory'),
  declined: ({ reason }) => votedAbort(reason, 'payment'),
  stale: ({ reason }) => reason?.code === 'CONFLICT' && reason.detail !== undefined,
};

function votedAbort(reason: Answer['reason'], participant: DemoParticipant): boolean {
  return reason?.code === 'VOTED_ABORT' && reason.participant === participant;
}

type DemoParticipant = 'inventory' | 'payment';
