/** The notification service: an outbox whose messages go to a mailbox. */
import { openOutbox } from '../../src/outbox.ts';
import { type Logger, vote } from '../../src/participant.ts';
import { Mailbox } from './mailbox.ts';
import { Payload, PayloadError } from './payload.ts';
import type { RunningService } from './service.ts';
import { notification } from './services/notification.ts';

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
