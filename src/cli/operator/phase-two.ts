/** `verdict retry` and `acknowledge`: what an operator does to branches that do not acknowledge. */
import { defined } from '../../core/defined.ts';
import type { Acknowledged, Retried, SettledBy, TransactionStatus } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import { VerdictError } from '../../peer/verdict-error.ts';
import { CommandError, usageError } from '../command-error.ts';
import { confirm, requireTerminal } from '../confirm.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { nearestFirst } from '../nearest.ts';
import { maxListLimit } from '../parameters.ts';
import { harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { type Operator, requireAll, type Why, withOperator } from './operator.ts';

export interface RetryFlags extends Why {
  readonly branch?: string;
  readonly all?: true;
  readonly attention?: true;
  readonly yes?: true;
}
export type RetryContext = OperatorContext & RetryFlags;

type Sent = Pick<Retried, 'txid' | 'branches'>;

/** Not done where nothing could be sent. */
export async function retry(context: RetryContext, txid: Txid | undefined): Promise<ExitCode> {
  const { all, attention, branch } = context;
  if (txid !== undefined) {
    if (all || attention) throw usageError('Give either a txid or --all --attention.');
    return retryOne(context, txid);
  }
  if (!all || !attention) throw usageError('Name a txid, or --all --attention for every one.');
  if (branch !== undefined) throw usageError('--branch is for one txid.');
  return retryAll(context);
}

async function retryOne(context: RetryContext, txid: Txid): Promise<ExitCode> {
  const { branch, reason } = context;
  const { branches } = await withOperator(context, (operator) =>
    operator.retry(txid, defined({ branch, reason })),
  );
  await answer(context, { txid, branches }, () =>
    branches.length === 0
      ? [`${txid}  Nothing to send: every branch that was asked for has acknowledged.`]
      : branches.map((each) => branchText(txid, each)),
  );
  return branches.every(({ sent }) => sent) ? exitCodes.ok : exitCodes.notDone;
}

function branchText(txid: Txid, { branch, participant, command, sent }: Branch): string {
  return sent
    ? `${txid}  ${branch}: ${command} sent to ${participant} now`
    : `${txid}  ${branch}: ${participant} is not connected; the ${command} is sent as soon as it is`;
}
type Branch = Retried['branches'][number];

async function retryAll(context: RetryContext): Promise<ExitCode> {
  const { io, yes, reason } = context;
  if (!yes) requireTerminal(io, 'retry --all sends many commands at once');
  const flagged = await withOperator(context, listFlagged);
  const { transactions, truncated } = flagged;
  const count = plural(transactions.length, 'transaction');
  const more = truncated ? ' There are more: run it again for the next ones.' : '';
  if (transactions.length > 0 && !yes) {
    const question = `${count} need attention. The commands that were not acknowledged are sent again now.${more} Go on?`;
    if (!(await confirm(io, question))) return exitCodes.ok;
  }
  const retried = await withOperator(context, (operator) =>
    retryEach(operator, transactions, defined({ reason })),
  );
  const branches = retried.flatMap((each) => each.branches);
  const sent = branches.filter((each) => each.sent).length;
  await answer(context, { transactions: retried, sent, truncated }, () => [
    transactions.length === 0
      ? `${flagged.unasked.length === 0 ? 'All is well: no' : 'No'} transaction needs attention.`
      : `${count}: ${plural(sent, 'command')} sent again now, ${branches.length - sent} of participants that are not connected.${more}`,
  ]);
  requireAll(flagged);
  return sent === branches.length ? exitCodes.ok : exitCodes.notDone;
}

function listFlagged(operator: Operator) {
  return operator.list({ attention: true, limit: maxListLimit });
}

/** One after the other. What has ended since it was listed needs nothing. */
async function retryEach(
  operator: Operator,
  transactions: readonly TransactionStatus[],
  why: Why,
): Promise<Sent[]> {
  const retried: Sent[] = [];
  for (const { txid } of transactions) {
    try {
      const { branches } = await operator.retry(txid, why);
      retried.push({ txid, branches });
    } catch (error) {
      const isOver = error instanceof VerdictError && error.code === 'UNKNOWN_TRANSACTION';
      if (!isOver) throw error;
    }
  }
  return retried;
}

export interface AcknowledgeFlags {
  readonly branch: string;
  readonly reason: string;
  readonly yes?: true;
}

export async function acknowledge(
  context: OperatorContext & AcknowledgeFlags,
  txid: Txid,
): Promise<void> {
  const { io, yes, branch, reason } = context;
  if (!yes) {
    requireTerminal(io, 'acknowledge speaks for a branch that does not answer');
    const transaction = await withOperator(context, (operator) => operator.status(txid));
    requireBranch(transaction, branch);
    if (!(await confirm(io, questionOf(transaction, branch)))) return;
  }
  const { reply, first } = await withOperator(context, async (operator) => {
    const told = await operator.acknowledge(txid, branch, reason);
    return { reply: told, first: told.byHand ? await statedOf(operator, txid, branch) : null };
  });
  const { byHand, state } = reply;
  // The first statement stays, whoever says so again.
  const stays = first !== null && first.reason !== reason ? first : null;
  const value = { txid, branch, byHand, state, ...(stays === null ? {} : { stays }) };
  await answer(context, value, () => [
    acknowledgedText(reply),
    ...(stays === null ? [] : [staysText(branch, stays)]),
  ]);
}

/** Null: it cannot be told. What was asked for is done all the same. */
async function statedOf(operator: Operator, txid: Txid, branch: string): Promise<SettledBy | null> {
  const { branches } = await operator.status(txid).catch(() => ({ branches: [] }));
  return branches.find((each) => each.branch === branch)?.byHand ?? null;
}

function staysText(branch: string, { by, reason, atMs }: SettledBy): string {
  const when = new Date(atMs).toISOString();
  return `The first statement on ${branch} stays, and this reason was not recorded: ${harmless(by)} gave one at ${when}: ${harmless(reason)}`;
}

/** Before anyone is asked to make sure of it by hand. */
function requireBranch({ txid, branches }: TransactionStatus, branch: string): void {
  const names = branches.map((each) => each.branch);
  if (names.includes(branch)) return;
  const has =
    names.length === 0
      ? 'The log does not say which it had'
      : `It has ${nearestFirst(branch, names).map(harmless).join(', ')}`;
  const text = `${txid} has no branch ${harmless(branch)}. ${has}. Nothing was done.`;
  throw new CommandError('REFUSED', text);
}

function questionOf({ txid, state, branches }: TransactionStatus, branch: string): string {
  const found = branches.find((each) => each.branch === branch);
  const outcome = state.startsWith('COMMIT') ? 'committed' : 'was rolled back';
  const where = found === undefined ? '' : ` of ${found.participant}, which is ${found.state},`;
  return `${txid} is ${state}. Branch ${branch}${where} will count as settled: do this only if you have made sure by hand that its work ${outcome}. The decision stays as it is. Go on?`;
}

function acknowledgedText({ txid, branch, byHand, state }: Acknowledged): string {
  if (!byHand) return `${txid}  ${branch} owed nothing any more; nothing was recorded.`;
  const rest = state === 'COMMITTING' || state === 'ABORTING' ? '; other branches still owe' : '';
  return `${txid}  ${branch} counts as settled by hand. The transaction is ${state}${rest}.`;
}
