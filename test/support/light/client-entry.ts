/**
 * A client of the light package, on whatever runtime runs this file: transacts, runs functions, and
 * says what came of each as a line. Run: client-entry.ts {"urls", "participants", "tls", "count"}.
 */
import process from 'node:process';

const { connect, isVerdictError } = (await import(
  'verdict-client' as string
)) as typeof import('../../../src/client.ts');

const given = JSON.parse(process.argv[2] ?? '');
const [first, second] = given.participants as [string, string];
const client = await connect({
  urls: given.urls,
  timeoutMs: 30_000,
  ...(given.tls !== undefined && { tls: given.tls }),
});
const say = (of: string, outcome: object): void => console.log(JSON.stringify({ of, ...outcome }));
const both = (sku: string) => [
  { participant: first, payload: { sku } },
  { participant: second, payload: { sku } },
];

const one = { requestId: `one-${process.pid}`, branches: both('lamp') };
say('transact', await client.transact(one, { retry: true }));
say('again', await client.transact(one, { retry: true }));
say('none', await client.transact({ branches: both('none') }));
await client.transact({ branches: [{ participant: 'stranger' }] }, { timeoutMs: 500 }).then(
  (outcome) => say('stranger', outcome),
  (error: unknown) => say('stranger', { verdictError: isVerdictError(error) }),
);
for (let at = 0; at < given.count; at += 1) {
  const result = await client.run(
    async (tx) => {
      for (const branch of both(`lamp ${at}`)) await tx.enlist(branch);
      return at;
    },
    { timeoutMs: 60_000, maxAttempts: 50 },
  );
  say('run', result);
}
await client.close();
console.log('done');
