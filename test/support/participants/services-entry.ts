/**
 * Many participants in one process, each with a journal of its own. They hold nothing but a count
 * of what each transaction came to with them, which they tell when asked. Run: services-entry.ts
 * DIRECTORY PORT NAME...
 */
import { join } from 'node:path';
import { serveParticipant, vote } from '../../../src/participant.ts';

export interface ServiceTally {
  readonly prepared: readonly string[];
  readonly committed: readonly string[];
  readonly rolledBack: readonly string[];
}

const [directory = '', port = '', ...names] = process.argv.slice(2);
const prepared = new Map<string, number>();
const committed = new Map<string, number>();
const rolledBack = new Map<string, number>();
const count = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};

for (const name of names) {
  await serveParticipant<{ refuse?: string } | null, string>({
    name,
    urls: [`127.0.0.1:${port}`],
    dataDirectory: join(directory, name),
    prepare: async ({ txid, payload }) => {
      if (payload?.refuse === name) return vote.abort(`${name} was told to`);
      count(prepared, `${txid} ${name}`);
      return vote.commit();
    },
    commit: async ({ txid }) => count(committed, `${txid} ${name}`),
    rollback: async ({ txid }) => count(rolledBack, `${txid} ${name}`),
    inDoubt: async () => [],
  });
}
console.log('ready');
process.on('message', () => {
  const keys = (counts: Map<string, number>): string[] => [...counts.keys()];
  process.send?.({
    prepared: keys(prepared),
    committed: keys(committed),
    rolledBack: keys(rolledBack),
  } satisfies ServiceTally);
});
process.on('disconnect', () => process.exit(0));
