/**
 * One of several processes of a service over one store and one journal, which keeps what it holds
 * in a SQLite file of its own. Run: sharing-entry.ts SETTINGS, one JSON object.
 */
import { join } from 'node:path';
import process from 'node:process';
import type { Txid } from '../../../src/core/txid.ts';
import { type BranchRef, serveParticipant, vote } from '../../../src/participant.ts';
import { pause } from '../process/child.ts';
import { tell } from '../process/tell.ts';
import { crashHook } from './crash-hook.ts';
import { quickParticipant } from './participant-process.ts';
import { openShared, type SharingSettings } from './sharing.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as SharingSettings;
const { name, url, data, journalKind, isShared } = settings;
const store = openShared(data);

const insert = store.prepare(
  "INSERT INTO held VALUES (?, ?, ?, 'prepared', 0) ON CONFLICT DO NOTHING",
);
const commit = store.prepare(
  "UPDATE held SET state = 'committed', applied = applied + 1 WHERE txid = ? AND branch = ? AND state = 'prepared'",
);
const rollback = store.prepare(
  "UPDATE held SET state = 'rolled-back' WHERE txid = ? AND branch = ? AND state = 'prepared'",
);
const listed = store.prepare("SELECT txid, branch FROM held WHERE state = 'prepared'");

const participant = await serveParticipant<{ tag: string; refuse?: boolean; delayMs?: number }>({
  name,
  urls: [url],
  dataDirectory: join(data, 'journal'),
  journalKind,
  ...(isShared ? { sharedResource: 'ledger' } : {}),
  options: quickParticipant,
  reached: crashHook(process.env['VERDICT_TEST_PARTICIPANT_CRASH_AT'] ?? ''),
  logger: {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (fields, text) => tell(`error ${text} ${JSON.stringify(fields)}`),
  },
  onAlarm: ({ message }) => tell(`alarm ${message}`),
  prepare: async ({ txid, branch, payload }) => {
    if (payload.refuse === true) return vote.abort('Told to.');
    insert.run(txid, branch, payload.tag);
    if (payload.delayMs !== undefined) await pause(payload.delayMs);
    return vote.commit();
  },
  commit: ({ txid, branch }) => {
    commit.run(txid, branch);
  },
  rollback: ({ txid, branch }) => {
    rollback.run(txid, branch);
  },
  inDoubt: (): BranchRef[] =>
    listed.all().map(({ txid, branch }) => ({ txid: txid as Txid, branch: String(branch) })),
});
tell('Serving.');
process.once('SIGTERM', () => {
  void participant.close({ timeoutMs: 1_000 }).then(() => process.exit(0));
});
