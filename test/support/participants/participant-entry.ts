/**
 * A service on the participant SDK that does what each payload says, with a durable store of its
 * own. Run: participant-entry.ts SETTINGS, one JSON object.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Decision } from '../../../src/core/messages.ts';
import { type BranchRef, serveParticipant, vote } from '../../../src/participant.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { readers } from '../../../src/wire/readers.ts';
import { reroutedDialer } from '../network/rerouted-dialer.ts';
import { crashHook } from './crash-hook.ts';
import { Effects } from './effects.ts';
import type { ParticipantProcessSettings, Script } from './participant-process.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as ParticipantProcessSettings;
const { tls } = settings;
const effects = new Effects(join(settings.data, 'store'));
/** Several processes of one shared resource see each other's work; this one store is not shared. */
/** When this process voted commit, by txid and branch. */
const votedAtMs = new Map<string, number>();
const crash = crashHook(process.env['VERDICT_TEST_PARTICIPANT_CRASH_AT'] ?? '');

const participant = await serveParticipant<Script | null, string>({
  name: settings.name,
  urls: settings.urls,
  ...(settings.token === undefined ? {} : { token: settings.token }),
  ...(tls === undefined ? {} : { tls }),
  dataDirectory: join(settings.data, 'journal'),
  options: settings.options ?? {},
  ...(settings.decisionLog === undefined ? {} : { decisionLog: settings.decisionLog }),
  reached: crash,
  ...(settings.routes === undefined
    ? {}
    : {
        dialer: reroutedDialer(
          webSocketDialer({ clock: systemClock, readers: readers['from-node'], tls }),
          settings.routes,
        ),
      }),
  logger: {
    debug: () => undefined,
    info: (fields, text) => say('info', fields, text),
    warn: (fields, text) => say('warn', fields, text),
    error: (fields, text) => say('error', fields, text),
  },
  onAlarm: (alarm) => say('alarm', alarm, alarm.message),
  prepare: async ({ txid, branch, payload, signal }) => {
    const script = payload ?? {};
    const held = await effects.prepare({ txid, branch }, script.tag ?? null, script.transfer);
    if (!held) return vote.abort(`${settings.name} has not enough in that account`);
    if (script.delayMs !== undefined) await sleep(script.delayMs, signal);
    if (script.vote === 'abort' || script.vote === 'readonly')
      await effects.rollback({ txid, branch });
    if (script.vote === 'abort') {
      return vote.abort(`${settings.name} was told to`, { retryable: script.retryable ?? false });
    }
    if (script.vote === 'readonly') return vote.readonly(`read by ${settings.name}`);
    votedAtMs.set(`${txid}/${branch}`, performance.now());
    return vote.commit(`done by ${settings.name}`);
  },
  commit: (ref) => {
    doubtOver(ref, 'commit');
    return effects.commit(ref);
  },
  rollback: (ref) => {
    doubtOver(ref, 'abort');
    return effects.rollback(ref);
  },
  ...(settings.listsInDoubt === false ? {} : { inDoubt: () => effects.prepared() }),
});
say('info', { instance: participant.instance }, 'Serving.');

process.once('SIGTERM', () => {
  void participant.close({ timeoutMs: 1_000 }).then(() => process.exit(0));
});

function doubtOver({ txid, branch }: BranchRef, outcome: Decision): void {
  const voted = votedAtMs.get(`${txid}/${branch}`);
  votedAtMs.delete(`${txid}/${branch}`);
  if (settings.tellsDoubts !== true || voted === undefined) return;
  const doubtMs = Math.round(performance.now() - voted);
  say('info', { txid, outcome, doubtMs, endedAtMs: Date.now() }, 'Doubt over.');
}

function say(level: string, fields: object, text: string): void {
  writeSync(1, `${JSON.stringify({ level, text, ...fields }, errorsToo)}\n`);
}

function errorsToo(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
