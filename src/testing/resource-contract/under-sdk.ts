/**
 * A resource under the SDK, whose journal remembers what the resource alone would not: late and
 * repeated messages.
 */
import assert from 'node:assert/strict';
import type { Branches } from './branches.ts';
import { commandOf, eventually, memoryJournal, Sdk, type SdkJournal } from './scripted-node.ts';

export function resourceUnderSdk(
  define: (what: string, body: (on: Branches) => Promise<void>) => void,
  newJournal: () => SdkJournal = memoryJournal,
): void {
  const test = (what: string, body: (sdk: Sdk) => Promise<void>): void => {
    define(`under the SDK: ${what}`, async ({ harness }) => {
      const sdk = new Sdk(harness);
      try {
        await body(sdk);
      } finally {
        await sdk.close();
      }
    });
  };

  test('votes abort to a prepare that comes after its rollback, and holds nothing for it', async (sdk) => {
    const node = await sdk.serve(newJournal());
    await node.ask(commandOf('rollback', sdk.txid(1)), 'ack abort ok');
    await node.ask(sdk.prepareOf(sdk.txid(1), 'a', '1'), 'vote abort');
    assert.deepEqual(await sdk.inDoubt(), []);
    await sdk.write(node, sdk.txid(2), 'a', '2');
  });

  test('runs nothing again that was committed and forgotten', async (sdk) => {
    const node = await sdk.serve(newJournal());
    await sdk.write(node, sdk.txid(1), 'a', '1');
    await node.tell({ type: 'forget', txids: [sdk.txid(1)] });
    await sdk.write(node, sdk.txid(2), 'a', '2');
    await node.ask(sdk.prepareOf(sdk.txid(1), 'a', '1'), 'vote abort');
    assert.equal(await sdk.harness.visible('a'), '2');
    assert.deepEqual(await sdk.inDoubt(), []);
  });

  test('rolls back what was prepared when the crash came before the vote was written', async (sdk) => {
    const journal = newJournal();
    const before = await sdk.serve(journal, 'vote');
    await before.tell(sdk.prepareOf(sdk.txid(1), 'a', '1'));
    await eventually(
      async () => ((await sdk.inDoubt()).length === 1 ? true : null),
      () => 'the branch to be prepared',
    );
    await sdk.crash();
    assert.equal((await sdk.inDoubt()).length, 1);
    const after = await sdk.serve(journal);
    await eventually(
      async () => ((await sdk.inDoubt()).length === 0 ? true : null),
      () => 'the rollback',
    );
    await after.ask(sdk.prepareOf(sdk.txid(1), 'a', '1'), 'vote abort');
    assert.equal(await sdk.harness.visible('a'), null);
    await sdk.write(after, sdk.txid(2), 'a', '2');
  });

  for (const outcome of ['commit', 'rollback'] as const) {
    test(`ends a doubt after a crash: ${outcome}`, async (sdk) => {
      const journal = newJournal();
      const before = await sdk.serve(journal);
      await before.ask(sdk.prepareOf(sdk.txid(1), 'a', '1'), 'vote commit');
      await sdk.crash();
      const after = await sdk.serve(journal);
      assert.equal(after.participant.inDoubt().length, 1);
      assert.equal(await sdk.harness.visible('a'), null);
      const decision = outcome === 'commit' ? 'commit' : 'abort';
      await after.ask(commandOf(outcome, sdk.txid(1)), `ack ${decision} ok`);
      assert.equal(await sdk.harness.visible('a'), outcome === 'commit' ? '1' : null);
      await sdk.write(after, sdk.txid(2), 'a', '2');
    });
  }

  test('commits once where the crash came between the commit and the record of it', async (sdk) => {
    const journal = newJournal();
    const before = await sdk.serve(journal, 'committed');
    await before.ask(sdk.prepareOf(sdk.txid(1), 'a', '1'), 'vote commit');
    await before.tell(commandOf('commit', sdk.txid(1)));
    await eventually(
      async () => ((await sdk.harness.visible('a')) === '1' ? true : null),
      () => 'the commit',
    );
    await sdk.crash();
    const after = await sdk.serve(journal);
    await sdk.write(after, sdk.txid(2), 'a', '2');
    await after.ask(commandOf('commit', sdk.txid(1)), 'ack commit ok');
    assert.equal(await sdk.harness.visible('a'), '2');
  });
}
