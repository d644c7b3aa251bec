/** `verdict/outbox`: messages that are published exactly if their transaction commits. */
import './system/check-node.ts';

import type { Outbox, OutboxOptions } from './resources/outbox/outbox.ts';
import { loadStore } from './store/native-package.ts';

export type { EncryptionKeys } from './ports/cipher.ts';
export type {
  Outbox,
  OutboxOptions,
  OutboxPayload,
  OutboxRules,
} from './resources/outbox/outbox.ts';
export type { Publish, PublishCall } from './resources/outbox/publisher.ts';
export type { OutboxMessage } from './resources/outbox/queue.ts';

/**
 * Opens the outbox in its directory, which belongs to one process at a time, and begins to publish
 * what it finds there.
 *
 * A message is published if and only if its transaction commits; at least once, so the receiver
 * must drop an `id` that it has had; and in the order of the commits in this outbox, so a message
 * that cannot be published holds up those behind it until it can. `publish` may put aside what no
 * one can take, by its number of attempts.
 *
 * Rejects with an Error whose `name` is DirectoryLockedError (another process has it),
 * StorePlaceError, StoreFormatError, StoreUnreadableError or NativePackageError. The message says
 * what to do.
 *
 * ```ts
 * const outbox = await openOutbox<{ orderId: string }>({
 *   dataDirectory: './data/notices',
 *   publish: async ({ id, body }) => broker.send(body, { messageId: id }),
 * });
 * await serveParticipant({
 *   name: 'notices',
 *   urls: ['127.0.0.1:7070'],
 *   dataDirectory: './data/notices-journal',
 *   resource: outbox.resource(),
 * });
 * ```
 */
export async function openOutbox<Body = unknown>(
  options: OutboxOptions<Body>,
): Promise<Outbox<Body>> {
  const { Outbox } = await loadStore(() => import('./resources/outbox/outbox.ts'));
  return Outbox.open(options);
}
