/** What the notification service has sent, or will, read from its files. */
import { outboxFile, readContent } from '../../../src/resources/outbox/queue.ts';
import { readLmdb } from '../../../src/store/lmdb.ts';
import type { StoredRecord } from '../../../src/versioned-store.ts';
import { readMailbox } from '../mailbox.ts';
import type { ServiceContent } from '../service.ts';
import { messagePrefix, type QueuedMessage } from '../services/notification.ts';

/**
 * Messages sent or about to be, by order; null where there is no outbox. A second one for an order
 * would be its version 2.
 */
export async function readNotices(directory: string): Promise<ServiceContent | null> {
  // Before the mailbox: what is sent meanwhile is then found in both, not in neither.
  const content = await readLmdb({ directory, file: outboxFile }, readContent);
  if (content === null) return null;
  const records = new Map<string, StoredRecord>();
  const byId = new Map(
    [...content.queued, ...readMailbox(directory)].map((each) => [each.id, each]),
  );
  for (const { body } of byId.values()) {
    const value = body as QueuedMessage;
    const key = messagePrefix + value.orderId;
    records.set(key, { value, version: (records.get(key)?.version ?? 0) + 1 });
  }
  return { records, prepared: content.prepared };
}
