/**
 * A service with a resource of its own, one with a versioned store and one with an outbox whose
 * receiver never answers. Run: sealed-entry.ts SETTINGS, one JSON object.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { openOutbox } from '../../../src/outbox.ts';
import { type EncryptionKeys, serveParticipant, vote } from '../../../src/participant.ts';
import { openVersionedStore } from '../../../src/versioned-store.ts';
import { crashHook } from './crash-hook.ts';

export interface SealedSettings {
  readonly url: string;
  readonly data: string;
  readonly encryption?: EncryptionKeys | { readonly file: string };
  /** Of the resource of its own. */
  readonly crashAt?: string;
}

const settings = JSON.parse(process.argv[2] ?? '{}') as SealedSettings;
const { url, data } = settings;
const sealed = settings.encryption === undefined ? {} : { encryption: settings.encryption };
const place = (name: string) => ({ dataDirectory: join(data, name), ...sealed });
const say = (fields: object): void => {
  writeSync(1, `${JSON.stringify(fields)}\n`);
};

await serveParticipant<{ readonly note: string; readonly refuse?: true }, unknown>({
  name: 'own',
  urls: [url],
  ...place('own-journal'),
  reached: crashHook(settings.crashAt ?? ''),
  prepare: ({ payload }) =>
    payload.refuse ? vote.abort(`refused: ${payload.note}`) : vote.commit({ seen: payload.note }),
  commit: ({ txid, payload }) => say({ committed: txid, payload }),
  rollback: () => undefined,
});
const store = await openVersionedStore(place('store'));
await serveParticipant({
  name: 'stock',
  urls: [url],
  ...place('stock-journal'),
  resource: store.resource(),
});
const outbox = await openOutbox({
  ...place('outbox'),
  publish: () => new Promise(() => undefined),
});
await serveParticipant({
  name: 'mail',
  urls: [url],
  ...place('mail-journal'),
  resource: outbox.resource(),
});
say({ serving: true, lamp: (await store.read('lamp'))?.value ?? null, mails: outbox.pending() });
