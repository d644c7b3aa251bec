/**
 * An outbox that publishes lines to a file, for hosted-resource.ts: what was published is there
 * after any crash.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OutboxMessage, openOutbox } from '../../../src/outbox.ts';
import { vote } from '../../../src/participant.ts';
import type { Hosted } from './hosted-resource.ts';

export interface Line {
  readonly key: string;
  readonly value: string;
}

interface Wanted {
  readonly messages: readonly Line[] | null;
}

export async function open({ directory }: { readonly directory: string }): Promise<Hosted> {
  const published = join(directory, 'published.jsonl');
  const outbox = await openOutbox<Line>({
    dataDirectory: directory,
    publish: ({ id, body }) => appendFileSync(published, `${JSON.stringify({ id, body })}\n`),
  });
  const resource = outbox.resource<Wanted>(
    ({ payload }) => payload.messages ?? vote.abort('Asked to refuse.'),
  );
  const lines = (): readonly Pick<OutboxMessage<Line>, 'id' | 'body'>[] =>
    existsSync(published)
      ? readFileSync(published, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
      : [];
  return {
    resource: {
      prepare: async (call) => resource.prepare(call as never),
      commit: async (call) => resource.commit(call as never),
      rollback: async (call) => resource.rollback(call as never),
      inDoubt: async () => outbox.inDoubt(),
    },
    calls: {
      /** The newest message about the key, as a receiver has it that drops repeats. */
      visible: async (key: string) => {
        await outbox.idle();
        const seen = new Set<string>();
        let value: string | null = null;
        for (const { id, body } of lines()) {
          if (seen.has(id)) continue;
          seen.add(id);
          if (body.key === key) value = body.value;
        }
        return value;
      },
      lines: async () => {
        await outbox.idle();
        return lines();
      },
    },
  };
}
