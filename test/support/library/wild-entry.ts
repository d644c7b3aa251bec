/**
 * The library mode in a process of its own, with participants that fail in every way and a
 * coordinator that is closed and opened again in the midst, until it is killed or told to end. Run:
 * wild-entry.ts SETTINGS, one JSON object, as of embedded-entry.ts.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type PrepareContext, TransactionCoordinator } from '../../../src/embedded.ts';
import { FileParticipant } from '../participants/file-participant.ts';
import { pause } from '../process/child.ts';
import { tell } from '../process/tell.ts';
import { oddThrows } from '../samples/odd-throws.ts';
import { seededRandom } from '../samples/seeded-random.ts';
import {
  type EmbeddedProcessSettings,
  fileParticipantNames,
  type Told,
} from './embedded-process.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as EmbeddedProcessSettings;
const { loops = 8 } = settings;
const random = seededRandom(settings.seed);
mkdirSync(settings.state, { recursive: true });

const isNow = (chance: number): boolean => random.fraction() < chance;
const drawn = <Value>(values: readonly Value[]): Value =>
  values[Math.floor(random.fraction() * values.length)] as Value;

/** After the work is done, and on disk: the answer comes late, or is none. */
async function wildly(answer: boolean): Promise<boolean> {
  await pause(isNow(0.03) ? 300 + random.fraction() * 400 : random.fraction() * 4);
  if (isNow(0.08)) throw drawn([...oddThrows.values()]);
  if (answer && isNow(0.1)) return drawn<unknown>([1, 'true', null, undefined, {}]) as boolean;
  return answer;
}

class WildParticipant extends FileParticipant {
  override async prepare(txid: string, context?: PrepareContext): Promise<boolean> {
    // One that hangs ends when its vote no longer matters, or later.
    if (isNow(0.02) && context !== undefined) await aborted(context.signal);
    return wildly(await super.prepare(txid));
  }

  override async commit(txid: string): Promise<boolean> {
    return wildly(await super.commit(txid));
  }

  override async rollback(txid: string): Promise<boolean> {
    return wildly(await super.rollback(txid));
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await pause(10);
}

const participants = fileParticipantNames.map(
  (name) =>
    new WildParticipant({
      name,
      path: join(settings.state, name),
      whim: async (method) => {
        await pause(random.fraction() * 3);
        if (isNow(0.05)) throw drawn([...oddThrows.values()]);
        return isNow(method === 'prepare' ? 0.1 : 0.2) ? false : null;
      },
    }),
);

let coordinator = await opened();
await Promise.all([reopen(), ...Array.from({ length: loops }, () => run())]);

async function opened(): Promise<TransactionCoordinator> {
  const next = new TransactionCoordinator({
    log: settings.log,
    retryDelayMs: 1,
    maxRetryDelayMs: 20,
    prepareTimeoutMs: 200,
    transactionTimeoutMs: 1_000,
    breakerAfter: 0,
    drainMs: drawn([0, 20, 500]),
    onFatal: (error) => {
      tell(`fatal ${String(error)}`);
    },
  });
  say({ event: 'recovered', report: await next.recover(participants, { waitMs: 300 }) });
  return next;
}

async function reopen(): Promise<never> {
  for (;;) {
    await pause(100 + random.fraction() * 500);
    await coordinator.close();
    coordinator = await opened();
  }
}

async function run(): Promise<never> {
  for (;;) {
    const of = coordinator;
    try {
      await once(of);
    } catch {
      // It was closed. What was begun ends by itself, or in the next.
      while (of === coordinator) await pause(1);
    }
  }
}

async function once(of: TransactionCoordinator): Promise<void> {
  const txid = await of.beginTransaction();
  const members = participants.filter(() => isNow(0.8));
  if (members.length === 0) return;
  say({ event: 'begun', txid, participants: members.map(({ name }) => name) });
  for (const member of members) await of.registerParticipant(txid, member);
  try {
    const isCommitted = isNow(0.1)
      ? !(await of.rollbackTransaction(txid))
      : await of.commitTransaction(txid);
    say({ event: 'answered', txid, committed: isCommitted });
  } catch (error) {
    while (of === coordinator) await pause(1);
    // The next one answers for what the last one began.
    const { state } = await coordinator.getTransactionStatus(txid);
    if (state.startsWith('COMMIT')) say({ event: 'answered', txid, committed: true });
    if (state.startsWith('ABORT')) say({ event: 'answered', txid, committed: false });
    throw error;
  }
}

function say(told: Told): void {
  tell(JSON.stringify(told));
}
