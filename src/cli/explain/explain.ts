/** `verdict explain`: asks a node, or etcd where there is none. */
import { explain } from '../../core/explain/explain.ts';
import { logFacts } from '../../core/explain/reading.ts';
import type { Explanation, TransactionStatus } from '../../core/messages.ts';
import { isTxid, type Txid } from '../../core/txid.ts';
import { systemClock } from '../../system/clock.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { withEtcdReader } from '../operator/at-etcd.ts';
import { answer, type OperatorContext } from '../operator/context.ts';
import { type Operator, requireAll, withOperator } from '../operator/operator.ts';
import { maxListLimit } from '../parameters.ts';
import { harmless } from '../text.ts';
import type { ExplainFlags } from './command.ts';
import { explanationLines } from './lines.ts';

type Context = OperatorContext & ExplainFlags;

interface Found {
  readonly explanation: Explanation;
  /** How the txid was found; null: it was given. */
  readonly by: string | null;
}

/** `named`: a node was named, by an option or the environment. */
export async function explainTransaction(
  context: Context,
  id: string,
  named: boolean,
): Promise<ExitCode> {
  const { explanation, by } = await found(context, id, named);
  const value = by === null ? explanation : { ...explanation, foundBy: by };
  await answer(context, value, (colors, width) => explanationLines(explanation, by, colors, width));
  const { state } = explanation;
  return state === 'UNKNOWN' || state === 'UNREADABLE' ? exitCodes.notDone : exitCodes.ok;
}

async function found(context: Context, id: string, named: boolean): Promise<Found> {
  const { etcd } = context;
  if (etcd === undefined) return byNode(context, id);
  if (!named) return byEtcd(context, id, 'was not asked: no node was named');
  try {
    return await byNode(context, id);
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 'UNREACHABLE') throw error;
    return byEtcd(context, id, `was not asked: ${error.message}`);
  }
}

function byNode(context: Context, id: string): Promise<Found> {
  const find = async (operator: Operator): Promise<Found> => {
    if (isTxid(id)) return { explanation: plain(await operator.explain(id)), by: null };
    const { txid, by } = await lookedUp(operator, id);
    return { explanation: plain(await operator.explain(txid)), by };
  };
  return withOperator(context, find, 'every');
}

function plain(reply: Awaited<ReturnType<Operator['explain']>>): Explanation {
  const { type: _type, id: _id, ...explanation } = reply;
  return explanation;
}

/** Among the transactions that the leaders remember. */
async function lookedUp(
  operator: Operator,
  id: string,
): Promise<{ readonly txid: Txid; readonly by: string }> {
  const list = await operator.list({ limit: maxListLimit });
  const { transactions, truncated } = list;
  const begin = transactions.filter(({ txid }) => txid.startsWith(id));
  const requested = transactions.filter(({ requestId }) => requestId === id);
  const by = begin.length > 0 ? 'its beginning' : 'its request id';
  const hits = begin.length > 0 ? begin : requested;
  const [only] = hits;
  // An aborted request that was sent again has several: the newest is first.
  if (only !== undefined && (hits.length === 1 || hits === requested)) {
    return { txid: only.txid, by };
  }
  if (only === undefined) requireAll(list);
  throw new CommandError('REFUSED', only === undefined ? noneText(id, truncated) : manyText(hits));
}

function noneText(id: string, truncated: boolean): string {
  const what = `"${harmless(id)}" is no txid - four parts with dots between, as submit and tx list print it - and no transaction that the leaders remember begins with it or has it as its request id.`;
  return truncated
    ? `${what} Only the newest ${maxListLimit} were looked at: give the whole txid.`
    : `${what} An older one needs its whole txid.`;
}

function manyText(hits: readonly TransactionStatus[]): string {
  const some = hits.slice(0, 5).map(({ txid }) => `  ${txid}`);
  const more = hits.length > some.length ? [`  and ${hits.length - some.length} more`] : [];
  return ['Several transactions begin with it:', ...some, ...more].join('\n');
}

async function byEtcd(context: Context, id: string, why: string): Promise<Found> {
  if (!isTxid(id)) {
    const text = `"${harmless(id)}" is no txid, and only nodes can look for one: name one with --url.`;
    throw new CommandError('REFUSED', text);
  }
  const { etcd = [] } = context;
  return withEtcdReader({ ...context, etcd }, async (reader) => {
    const issued = await reader.isIssued(id);
    const log = logFacts(await reader.read(id), systemClock.wallMs());
    const node = log.ok ? (log.leader?.node ?? null) : null;
    const leader = { type: 'silent', node, why } as const;
    const facts = { txid: id, node: 'this command', issued, leader, log, participants: [] };
    return { explanation: explain(facts), by: null };
  });
}
