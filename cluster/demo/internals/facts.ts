/** What is left after a run, read from the files of all who took part. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { readLmdbJournal } from '../../../src/journal/lmdb/read.ts';
import type { JournalEntry } from '../../../src/ports/journal.ts';
import type { LoggedOutcomes } from '../../launcher/etcd-contents.ts';
import { readShop, type ShopContents } from '../../shop/internals/contents.ts';
import { journalDirectory, type ServiceName, serviceNames } from '../../shop/paths.ts';
import { type Answer, parseAnswer } from '../answers.ts';
import type { Layout } from '../layout.ts';
import { type DemoOrder, demoOrders } from '../orders.ts';
import { readNodeLog } from './node-log.ts';

export interface StoredFacts {
  readonly log: LoggedOutcomes;
  readonly shop: ShopContents;
  /** What the participants' journals hold, tombstones left out. */
  readonly journals: Readonly<Record<ServiceName, readonly JournalEntry[]>>;
}

export interface Facts extends StoredFacts {
  readonly orders: readonly DemoOrder[];
  readonly answers: readonly Answer[];
  /**
   * The share of orders that may abort for no reason of their own, but for a crash or a time-out.
   * Default: 0.1.
   */
  readonly maxPassingShare?: number;
}

export async function readStoredFacts(
  layout: Layout,
  readLog: () => Promise<LoggedOutcomes> = () => keptLog(layout),
): Promise<StoredFacts> {
  const log = await readLog();
  const journals: [ServiceName, readonly JournalEntry[]][] = [];
  for (const name of serviceNames) {
    const directory = journalDirectory(layout.shop, name);
    const entries = await readLmdbJournal(directory);
    if (entries === null) throw new Error(`There is no journal in ${directory}.`);
    journals.push([name, entries]);
  }
  return {
    log,
    shop: await readShop(layout.shop),
    journals: Object.fromEntries(journals) as StoredFacts['journals'],
  };
}

/** The facts of a run whose directory was kept. */
export async function readFacts(layout: Layout): Promise<Facts> {
  // The orders of a run are known by their number.
  const orders = demoOrders((await linesOf(layout.orders)).length);
  const answers = (await linesOf(layout.answers)).map(parseAnswer);
  return { ...(await readStoredFacts(layout)), orders, answers };
}

/** Of a cluster its outcomes are kept: etcd itself has ended. */
async function keptLog(layout: Layout): Promise<LoggedOutcomes> {
  if (!existsSync(layout.outcomes)) return readNodeLog(layout.decisionLog);
  return JSON.parse(await readFile(layout.outcomes, 'utf8')) as LoggedOutcomes;
}

async function linesOf(file: string): Promise<readonly string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
}

/** One line for each thing that is not over yet: empty when all is quiet. */
export function* unfinished({ log, shop, journals }: StoredFacts): Generator<string> {
  for (const { txid } of log.decisions) yield `The decision of ${txid} is not finished.`;
  for (const name of serviceNames) {
    for (const { txid, branch } of shop[name].prepared) {
      yield `${name} still holds ${txid}, branch ${branch}, prepared.`;
    }
    for (const { txid, branch, state } of journals[name]) {
      if (state !== 'prepared' && state !== 'started') continue;
      yield `${name}'s journal has ${txid}, branch ${branch}, as ${state}.`;
    }
  }
}
