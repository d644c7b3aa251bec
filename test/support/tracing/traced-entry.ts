/**
 * A service whose code makes spans of its own, as an instrumented driver does. Run: traced-entry.ts
 * SETTINGS
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { trace } from '@opentelemetry/api';
import { serveParticipant, vote } from '../../../src/participant.ts';
import type { TlsFiles } from '../network/security.ts';
import { crashHook } from '../participants/crash-hook.ts';

const settings = JSON.parse(process.argv[2] ?? '') as {
  readonly name: string;
  readonly dataDirectory: string;
  readonly urls: readonly string[];
  readonly tls?: TlsFiles;
};
const own = new AsyncLocalStorage<string>();

async function work(what: string): Promise<void> {
  await trace.getTracer('application').startActiveSpan(what, async (span) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    span.setAttribute('application.context', own.getStore() ?? 'lost');
    span.end();
  });
}

const participant = await own.run('kept', () =>
  serveParticipant<{ readonly refuse?: boolean } | null>({
    ...settings,
    reached: crashHook(process.env['VERDICT_TEST_PARTICIPANT_CRASH_AT'] ?? ''),
    options: { retryDelayMs: 20, maxRetryDelayMs: 200, patienceMs: 60_000 },
    logger: {
      debug: () => undefined,
      info: (_fields, text) => say(text),
      warn: (_fields, text) => say(text),
      error: (_fields, text) => say(text),
    },
    prepare: async ({ payload }) => {
      await work('reserve');
      return payload?.refuse === true ? vote.abort('secret words') : vote.commit('secret result');
    },
    commit: () => work('confirm'),
    rollback: () => work('release'),
  }),
);
say('Serving.');
await participant.connected();
say('Connected.');

process.once('SIGTERM', () => {
  void participant.close({ timeoutMs: 1_000 }).then(() => process.exit(0));
});

function say(text: string): void {
  writeSync(1, `${text}\n`);
}
