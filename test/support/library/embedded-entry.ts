/**
 * The library mode in a process of its own: recovers, then runs transactions until it is killed,
 * telling of each before it begins and as it is answered. Run: embedded-entry.ts SETTINGS, one JSON
 * object.
 */
import { mkdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { TransactionCoordinator } from '../../../src/embedded.ts';
import { FileParticipant } from '../participants/file-participant.ts';
import { pause } from '../process/child.ts';
import { seededRandom } from '../samples/seeded-random.ts';
import {
  type EmbeddedProcessSettings,
  fileParticipantNames,
  type Told,
} from './embedded-process.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as EmbeddedProcessSettings;
const { crashAt, loops = 8, recoverOnly = false } = settings;
const random = seededRandom(settings.seed);
mkdirSync(settings.state, { recursive: true });

let passed = 0;
function reached(point: string): void {
  if (point !== crashAt?.point) return;
  passed += 1;
  if (passed >= crashAt.times) process.kill(process.pid, 'SIGKILL');
}

const participants = fileParticipantNames.map(
  (name) =>
    new FileParticipant({
      name,
      path: join(settings.state, name),
      reached,
      whim: async (method) => {
        await pause(random.fraction() * 3);
        const draw = random.fraction();
        if (draw < 0.05) throw new Error('A whim.');
        return draw < (method === 'prepare' ? 0.15 : 0.3) ? false : null;
      },
    }),
);
const coordinator = new TransactionCoordinator({
  log: settings.log,
  retryDelayMs: 1,
  maxRetryDelayMs: 20,
  reached,
});
say({ event: 'recovered', report: await coordinator.recover(participants, { waitMs: 20_000 }) });
if (recoverOnly) {
  while ((await coordinator.unfinished()).length > 0) await pause(10);
  await coordinator.close();
} else {
  await Promise.all(Array.from({ length: loops }, () => run()));
}

async function run(): Promise<never> {
  for (;;) {
    const txid = await coordinator.beginTransaction();
    const members = participants.filter(() => random.fraction() < 0.8);
    say({ event: 'begun', txid, participants: members.map(({ name }) => name) });
    for (const member of members) await coordinator.registerParticipant(txid, member);
    const rollBack = random.fraction() < 0.1;
    const committed = rollBack
      ? !(await coordinator.rollbackTransaction(txid))
      : await coordinator.commitTransaction(txid);
    // Of no participants there is nothing that could tell.
    if (members.length > 0) say({ event: 'answered', txid, committed });
  }
}

function say(told: Told): void {
  const line = Buffer.from(`${JSON.stringify(told)}\n`);
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      // The pipe is full.
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}
