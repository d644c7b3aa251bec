/** Processes of a service of two databases, one after the other, and the books between them. */
import { Child } from '../process/child.ts';

export interface DatabaseChoice {
  readonly kind: 'postgresql' | 'mariadb';
  readonly connection: object;
}

export interface TransactionsSettings {
  readonly directory: string;
  readonly from: DatabaseChoice;
  readonly to: DatabaseChoice;
  readonly urls?: readonly string[];
  readonly seed: number;
  readonly loops?: number;
  /** Opens, which ends what an earlier process left, and closes. */
  readonly recoverOnly?: boolean;
  /** kill -9 of itself when it passes the point for the `times`th time. */
  readonly crashAt?: { readonly point: string; readonly times: number };
}

export class TransactionsProcess {
  readonly child: Child;

  constructor(settings: TransactionsSettings) {
    const args = [JSON.stringify(settings)];
    this.child = new Child('test/support/library/transactions-entry.ts', { args });
  }

  /** By what it said: `begun`, `done`, `undone`. */
  ids(word: 'begun' | 'done' | 'undone'): string[] {
    return this.child.lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  }
}

/** What one of the databases holds in the end. */
export interface Books {
  readonly cents: number;
  readonly moved: readonly string[];
  readonly alone: readonly string[];
  readonly prepared: readonly unknown[];
}

/** Everything that is wrong: nothing, where all moved on both sides or on neither. */
export function wrongIn(
  processes: readonly TransactionsProcess[],
  start: number,
  source: Books,
  target: Books,
): string[] {
  const wrong: string[] = [];
  const inSource = new Set(source.moved);
  const inTarget = new Set(target.moved);
  const alone = new Set(source.alone);
  for (const id of new Set([...inSource, ...inTarget])) {
    if (inSource.has(id) !== inTarget.has(id)) wrong.push(`${id} is on one side alone`);
  }
  if (source.cents !== start - inSource.size) wrong.push(`source holds ${source.cents}`);
  if (target.cents !== start + inTarget.size) wrong.push(`target holds ${target.cents}`);
  for (const process of processes) {
    for (const id of process.ids('done')) {
      const there = id.endsWith('-alone') ? alone.has(id) : inSource.has(id);
      if (!there) wrong.push(`${id} was answered committed, and is not there`);
    }
    for (const id of process.ids('undone')) {
      if (inSource.has(id)) wrong.push(`${id} was answered aborted, and is there`);
    }
  }
  for (const { prepared } of [source, target]) {
    if (prepared.length > 0) wrong.push(`still prepared: ${JSON.stringify(prepared)}`);
  }
  return wrong;
}
