/**
 * The first program of docs/EMBEDDED.md runs, and prints what it says. That all of them compile,
 * test/unit/docs looks after.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { Child } from '../../support/process/child.ts';

const root = new URL('../../../', import.meta.url);

it('the shortest whole program prints what its comment says', async () => {
  const text = await readFile(new URL('docs/EMBEDDED.md', root), 'utf8');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const [, promised = ''] = /console\.log\(.*\); \/\/ (.+)/.exec(code) ?? [];
  expect(promised).not.toBe('');
  const directory = temporaryDirectory();
  try {
    const file = join(directory.path, 'program.ts');
    const entry = new URL('src/embedded.ts', root).href;
    await writeFile(file, code.replace("'verdict/embedded'", JSON.stringify(entry)));
    const child = new Child(file, { args: [] });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.lines).toEqual([promised]);
  } finally {
    directory.remove();
  }
});

it('its accounts stand two transfers at once: no one spends what another was promised', async () => {
  const text = await readFile(new URL('docs/EMBEDDED.md', root), 'utf8');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const account = code.slice(0, code.indexOf('const ann'));
  expect(account).toContain('class Account');
  const program = `${account}
const ann = new Account('ann', 100, -70);
const bob = new Account('bob', 0, +70);
// On disk the decision takes a moment, in which the next one prepares.
const coordinator = new TransactionCoordinator({ log: { kind: 'lmdb', directory: './log' } });
const transfer = async () => {
  const txid = await coordinator.beginTransaction();
  await coordinator.registerParticipant(txid, ann);
  await coordinator.registerParticipant(txid, bob);
  const committed = await coordinator.commitTransaction(txid);
  await coordinator.whenSettled(txid);
  return committed;
};
const all = await Promise.all(Array.from({ length: 20 }, transfer));
console.log(all.filter(Boolean).length, ann.balance, bob.balance);
await coordinator.close();
`;
  const directory = temporaryDirectory();
  try {
    const file = join(directory.path, 'program.ts');
    const entry = new URL('src/embedded.ts', root).href;
    await writeFile(file, program.replace("'verdict/embedded'", JSON.stringify(entry)));
    const child = new Child(file, { args: [], cwd: directory.path });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.lines).toEqual(['1 30 70']);
  } finally {
    directory.remove();
  }
});
