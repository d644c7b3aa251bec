/** `verdict/outbox`: messages that are published exactly if their transaction commits. */
import './system/check-node.ts';

import type { Outbox, OutboxOptions } from './resources/outbox/outbox.ts';
import { loadStore } from './store/native-package.ts';

export type {
  Outbox,
  OutboxOptions,
  OutboxPayload,
  OutboxRules,
} from './resources/outbox/outbox.ts';
export type { Publish, PublishCall } from './resources/outbox/publisher.ts';
export type { OutboxMessage } from './resources/outbox/queue.ts';

/**
 * Opens the outbox in its directory, which belongs to one process at a time, and begins to publish what it finds there.
 *
 * A message is published if and only if its transaction commits; at least once, so the receiver must drop an `id`
 * that it has had; and in the order of the commits in this outbox, so a message that cannot be published holds up those
 * behind it until it can. `publish` may put aside what nobody can take, by its number of attempts.
 *
 * Rejects with DirectoryLockedError, StoreFormatError and StoreUnreadableError.
 */
export async function openOutbox<Body = unknown>(
  options: OutboxOptions<Body>,
): Promise<Outbox<Body>> {
  const { Outbox } = await loadStore(() => import('./resources/outbox/outbox.ts'));
  return Outbox.open(options);
}
