/** `verdict locks`: who holds which named lock, who waits for it, for how long. */
import type { LockInfo, LockParty } from '../../core/messages.ts';
import { type Column, table } from '../table.ts';
import { type Colors, durationText, harmless, plural } from '../text.ts';
import { answer, type OperatorContext } from './context.ts';
import { type LocksFilter, type LocksList, requireAll, withOperator } from './operator.ts';

interface Line {
  readonly lock: LockInfo;
  readonly party: LockParty;
  readonly held: boolean;
}

export async function listLocks(context: OperatorContext, filter: LocksFilter): Promise<void> {
  const list = await withOperator(context, (operator) => operator.locks(filter));
  await answer(context, list, (colors, width) => lockLines(list, colors, width));
  requireAll(list);
}

function lockLines(list: LocksList, colors: Colors, width: number): string[] {
  if (list.locks.length === 0) {
    const where = list.unasked.length > 0 ? ' in the shards that are led' : '';
    return [`No such lock is held or waited for${where}.`];
  }
  const lines = list.locks.flatMap((lock): Line[] => [
    ...lock.holders.map((party) => ({ lock, party, held: true })),
    ...lock.waiters.map((party) => ({ lock, party, held: false })),
  ]);
  const text = table(columns(colors), lines, width);
  for (const { key, holders, waiters, holding, waiting } of list.locks) {
    const more = holding + waiting - holders.length - waiters.length;
    if (more > 0) {
      text.push(`${harmless(key)}: ${plural(more, 'more is', 'more are')} not shown.`);
    }
  }
  if (list.truncated) {
    text.push(`The ${plural(list.locks.length, 'key')} most waited for; there are more: --limit.`);
  }
  return text;
}

function columns(colors: Colors): Column<Line>[] {
  return [
    {
      head: 'GROUP',
      cell: ({ lock: { group, client } }) =>
        client === undefined ? group : `${group} of ${client}`,
    },
    { head: 'KEY', cell: ({ lock }) => lock.key },
    {
      head: 'STATE',
      cell: ({ held }) => (held ? 'held' : 'waits'),
      paint: (text) => (text === 'waits' ? colors.yellow(text) : text),
    },
    { head: 'MODE', cell: ({ party }) => party.mode },
    { head: 'FOR', cell: ({ party }) => durationText(party.forMs), align: 'right' },
    { head: 'TXID', cell: ({ party }) => party.txid },
  ];
}
