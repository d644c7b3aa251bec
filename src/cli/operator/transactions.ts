/** `verdict tx show` and `verdict tx list`. */
import type { TransactionStatus } from '../../core/messages.ts';
import type { Txid } from '../../core/txid.ts';
import { maxListLimit } from '../parameters.ts';
import { type Column, table } from '../table.ts';
import { type Colors, durationText, harmless, plural, reasonText } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import {
  type ListFilter,
  type Operator,
  requireAll,
  type TransactionList,
  withOperator,
} from './operator.ts';

export async function showTransaction(context: OperatorContext, txid: Txid): Promise<void> {
  const reply = await withOperator(context, (operator) => operator.status(txid));
  const { type: _type, id: _id, ...transaction } = reply;
  await answer(context, transaction, (colors, width) =>
    transactionLines(transaction, colors, width),
  );
}

export async function listTransactions(
  context: OperatorContext,
  filter: ListFilter,
): Promise<void> {
  const { list, troubled } = await withOperator(context, async (operator) => {
    const list = await operator.list(filter);
    const isEmpty = filter.attention === true && list.transactions.length === 0;
    return { list, troubled: isEmpty ? await commitsThatFailed(operator) : null };
  });
  await answer(context, list, (colors, width) =>
    troubled === null ? listLines(list, colors, width) : noAttentionLines(troubled, list),
  );
  requireAll(list);
}

/** Of those under way, the ones that will need attention unless a next attempt goes better. */
async function commitsThatFailed(operator: Operator): Promise<TransactionStatus[]> {
  const { transactions } = await operator.list({ state: 'COMMITTING', limit: maxListLimit });
  return transactions.filter(({ branches }) => branches.some(({ lastError }) => lastError));
}

function noAttentionLines(
  troubled: readonly TransactionStatus[],
  { unasked }: TransactionList,
): string[] {
  const [first] = troubled;
  if (first === undefined) {
    return unasked.length === 0
      ? ['All is well: no transaction needs attention.']
      : ['No transaction needs attention in the shards that are led.'];
  }
  const count = plural(troubled.length, 'commit');
  return [
    `No transaction needs attention yet. ${count} could not be carried out so far, and ${troubled.length === 1 ? 'is' : 'are'} tried again: ${whyText(first)}`,
    'See them with: verdict tx list --state COMMITTING',
  ];
}

/** Why it aborted, or what keeps it from its end. */
function whyText({ reason, branches }: TransactionStatus): string {
  if (reason !== undefined) return reasonText(reason);
  const stuck = branches.find(({ lastError }) => lastError);
  return stuck === undefined ? '-' : `${stuck.participant}: ${harmless(stuck.lastError ?? '')}`;
}

function transactionLines(
  transaction: TransactionStatus,
  colors: Colors,
  width?: number,
): string[] {
  const { txid, state, attention, ageMs, requestId, labels = {}, reason, branches } = transaction;
  const { locks = [], lockGroup } = transaction;
  const flag = attention
    ? `  ${colors.yellow('attention: a participant does not acknowledge, or locks are held for long; retries go on')}`
    : '';
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const lines = [`txid     ${txid}`, `state    ${painted(state, colors)}${flag}`];
  // A record of the log says nothing of when it began.
  if (ageMs > 0) lines.push(`age      ${durationText(ageMs)}`);
  if (requestId !== undefined) lines.push(`request  ${harmless(requestId)}`);
  if (lockGroup !== undefined) lines.push(`locks    of ${harmless(lockGroup)}`);
  if (pairs.length > 0) lines.push(`labels   ${harmless(pairs.join('  '))}`);
  if (reason !== undefined) lines.push(`reason   ${reasonText(reason)}`);
  if (branches.length > 0) lines.push('', ...table(branchColumns, branches, width));
  for (const { branch, byHand } of branches) {
    if (byHand === undefined) continue;
    const at = new Date(byHand.atMs).toISOString();
    const by = harmless(byHand.by);
    lines.push('', `${branch} was settled by hand, by ${by} at ${at}: ${harmless(byHand.reason)}`);
  }
  if (locks.length > 0) lines.push('', ...table(lockColumns, locks, width));
  return lines;
}

const lockColumns: readonly Column<NonNullable<TransactionStatus['locks']>[number]>[] = [
  { head: 'LOCK', cell: ({ key }) => key },
  { head: 'STATE', cell: ({ held }) => (held ? 'held' : 'waits') },
  { head: 'MODE', cell: ({ mode }) => mode },
  { head: 'FOR', cell: ({ forMs }) => durationText(forMs), align: 'right' },
  { head: 'WAITS FOR', cell: ({ waitsFor = [] }) => waitsFor.join(',') || '-' },
];

const branchColumns: readonly Column<TransactionStatus['branches'][number]>[] = [
  { head: 'BRANCH', cell: ({ branch }) => branch },
  { head: 'PARTICIPANT', cell: ({ participant }) => participant },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'ATTEMPTS', cell: ({ attempts }) => attempts, align: 'right' },
  { head: 'LAST ERROR', cell: ({ lastError }) => lastError ?? '-' },
];

export function listLines(
  list: { readonly transactions: readonly TransactionStatus[]; readonly truncated: boolean },
  colors: Colors,
  width?: number,
): string[] {
  if (list.transactions.length === 0) {
    return [
      'No such transaction is remembered. Older ones: verdict tx show TXID asks the decision log.',
    ];
  }
  const lines = table(listColumns(colors), list.transactions, width);
  if (list.truncated) {
    lines.push(
      `The newest ${plural(list.transactions.length, 'transaction')}; there are more: --limit.`,
    );
  }
  return lines;
}

function listColumns(colors: Colors): Column<TransactionStatus>[] {
  return [
    { head: 'TXID', cell: ({ txid }) => txid },
    {
      head: 'STATE',
      cell: ({ state, attention }) => (attention ? `${state} !` : state),
      paint: (text) => painted(text, colors),
    },
    { head: 'AGE', cell: ({ ageMs }) => durationText(ageMs), align: 'right' },
    { head: 'REQUEST', cell: ({ requestId }) => requestId ?? '-' },
    { head: 'PARTICIPANTS', cell: participantsText },
    { head: 'REASON', cell: whyText },
  ];
}

function participantsText({ branches }: TransactionStatus): string {
  return [...new Set(branches.map(({ participant }) => participant))].join(',') || '-';
}

function painted(state: string, colors: Colors): string {
  if (state.endsWith('!')) return colors.yellow(state);
  if (state === 'COMMITTED' || state === 'COMMITTING') return colors.green(state);
  return state === 'ABORTED' || state === 'ABORTING' ? colors.yellow(state) : state;
}
