import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { closedLoop, type Measured } from '../../load.ts';
import type { Section, SectionGiven } from '../section.ts';
import {
  type Contender,
  Contenders,
  etcdPrograms,
  type Store,
  shownStore,
  stores,
} from './contenders.ts';
import { findingsOf, type OfStore, type Row } from './findings.ts';

const levels = [1, 4, 16, 64, 256, 1_024, 4_096];
/** The least that has every target. */
const quickLevels = [1, 256, 1_024, 4_096];
/** Of what is no skeleton. */
const baseLevels = [1, 16, 256, 4_096];
const quickBaseLevels = [1, 256];
const branchCounts = [1, 2, 4, 8, 16, 32, 64];
const quickBranchCounts = [1, 8, 64];
const usualBranches = 3;
const branchesInFlight = 64;
const branchesStore: Store = 'embedded log';
/** Before anything is measured: the compiler takes its time, and more where there is more code. */
const warmUp = {
  inFlight: 64,
  transactions: 5_000,
  quickTransactions: 500,
  maxMs: 20_000,
} as const;
/** What was left to acknowledge and to remove is not to be in the next one's figures. */
const settleMs = 200;

export const throughput: Section = {
  name: 'throughput',
  title: 'Throughput and latency',
  about:
    'Closed loops: so many transactions are in flight at any time, over participants that hold ' +
    'nothing of their own. The skeleton has the same processes, sends the same messages and flushes ' +
    'as often - for a vote, a decision and before an acknowledgement, group-committed - and does ' +
    'nothing else: no states, no checks, no time-outs, no recovery; on etcd its decisions are plain ' +
    'puts, one transaction a batch. *Plain 2PC* is two-phase commit with a put of its own for every ' +
    "change of a transaction's state and no batches; *single puts* is what etcd takes of one client. " +
    'All of them take turns in each round, and the share is of the same round. A transaction that ' +
    'fails, as where it is refused, is in no latency; its client comes back when it was told to. Of each kind all participants ' +
    'share a process.',
  run: async (given) => {
    // Before minutes are spent on the first store.
    await etcdPrograms();
    const byInFlight: OfStore[] = [];
    for (const store of stores) {
      byInFlight.push(
        await onStore(given, {
          store,
          xs: given.quick ? quickLevels : levels,
          participants: usualBranches,
          load: inFlightOf,
          isMeasured: ({ isBaseLine }, x) =>
            !isBaseLine || (given.quick ? quickBaseLevels : baseLevels).includes(x),
        }),
      );
    }
    const byBranches = await onStore(given, {
      store: branchesStore,
      xs: given.quick ? quickBranchCounts : branchCounts,
      participants: Math.max(...branchCounts),
      load: branchesOf,
      isMeasured: () => true,
    });
    return findingsOf(byInFlight, byBranches, branchesInFlight);
  },
};

interface Load {
  readonly inFlight: number;
  readonly branches: number;
  /** For people. */
  readonly shown: string;
}

const inFlightOf = (x: number): Load => ({
  inFlight: x,
  branches: usualBranches,
  shown: `${x.toLocaleString('en')} in flight`,
});

const branchesOf = (x: number): Load => ({
  inFlight: branchesInFlight,
  branches: x,
  shown: x === 1 ? '1 branch' : `${x} branches`,
});

async function onStore(
  given: SectionGiven,
  wanted: {
    readonly store: Store;
    readonly xs: readonly number[];
    readonly participants: number;
    readonly load: (x: number) => Load;
    readonly isMeasured: (contender: Contender, x: number) => boolean;
  },
): Promise<OfStore> {
  const { durationMs, rounds, progress } = given;
  const { store, xs, participants, load, isMeasured } = wanted;
  progress(`${store}, ${participants} participants: starting`);
  const directory = join(given.directory, `${store.replaceAll(' ', '-')}-${participants}`);
  await using contenders = await Contenders.started({ store, directory, participants });
  for (const contender of contenders.all) {
    progress(`${store}: ${contender.name} warms up`);
    await warm(contender, given);
  }
  const rows: Row[] = [];
  for (const x of xs) {
    const found: Record<string, Measured[]> = {};
    const taking = contenders.all.filter((contender) => isMeasured(contender, x));
    for (const { name } of taking) found[name] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { shown } = load(x);
      progress(`${store}: ${shown}, round ${round + 1} of ${rounds}`);
      for (const contender of inTurn(taking, round)) {
        found[contender.name]?.push(await measured(contender, load(x), durationMs));
      }
    }
    rows.push({ x, rounds: found });
  }
  return { store, shown: await shownStore(store), rows };
}

async function warm(
  contender: Contender,
  { durationMs, quick }: Pick<SectionGiven, 'durationMs' | 'quick'>,
): Promise<void> {
  const enough = quick ? warmUp.quickTransactions : warmUp.transactions;
  const untilMs = performance.now() + warmUp.maxMs;
  const load = { inFlight: warmUp.inFlight, branches: usualBranches };
  for (let count = 0; count < enough && performance.now() < untilMs; ) {
    count += (await measured(contender, load, durationMs)).count;
  }
}

/** Every other round backwards: who comes first has no advantage of it. */
function inTurn<T>(all: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? all : all.toReversed();
}

async function measured(
  contender: Contender,
  { inFlight, branches }: Pick<Load, 'inFlight' | 'branches'>,
  durationMs: number,
): Promise<Measured> {
  const result = await closedLoop({
    inFlight,
    durationMs,
    warmUpMs: durationMs / 4,
    tolerant: true,
    one: () => contender.one(branches),
  });
  await pause(settleMs);
  return result;
}
