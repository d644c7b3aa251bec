/** The notification service: an outbox whose messages go to a mailbox. */
import { openOutbox } from '../../src/outbox.ts';
import { vote } from '../../src/participant.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { outboxFile, readContent } from '../../src/resources/outbox/queue.ts';
import { readLmdb } from '../../src/store/lmdb.ts';
import type { StoredRecord } from '../../src/versioned-store.ts';
import { Mailbox, readMailbox } from './mailbox.ts';
import { Payload, PayloadError } from './payload.ts';
import type { RunningService, ServiceContent } from './service.ts';
import { messagePrefix, notification, type QueuedMessage } from './services/notification.ts';

export async function openNotices(directory: string, logger: Logger): Promise<RunningService> {
  let mailbox: Mailbox | null = null;
  const outbox = await openOutbox<unknown>({
    dataDirectory: directory,
    publish: async (message) => {
      // With the first message: the directory has its owner by then.
      mailbox ??= await Mailbox.open(directory);
      await mailbox.deliver(message);
    },
    logger,
  });
  const resource = outbox.resource<unknown>(({ txid, branch, payload }) => {
    try {
      const plan = notification.work(new Payload(payload), { txid, branch }).plan(() => null);
      return 'refused' in plan ? vote.abort(plan.refused.message) : [...plan.writes.values()];
    } catch (error) {
      if (error instanceof PayloadError) return vote.abort(error.message);
      throw error;
    }
  });
  return {
    resource,
    close: async () => {
      await outbox.close();
      await mailbox?.close();
    },
  };
}

/** Messages sent or about to be, by order; null where there is no outbox. A second one for an order would be its version 2. */
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
