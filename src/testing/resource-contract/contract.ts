/**
 * The contract of the Resource port (src/ports/resource.ts), run on every resource that comes with
 * Verdict, and for those of others.
 *
 * Every branch that is prepared here has a competing write raced against it, from its vote to its
 * outcome: it must wait or be refused, and it must not be kept waiting afterwards.
 */
import assert from 'node:assert/strict';
import { systemRandom } from '../../system/random.ts';
import { realPause } from '../../system/real-time.ts';
import { newTxid } from '../call.ts';
import { Branches, nothing, raceMs, textOf } from './branches.ts';
import { frameworkOf } from './framework.ts';
import type { ResourceContractOptions, ResourceHarness } from './harness.ts';
import { killSomewhere } from './kills.ts';
import { resourceUnderSdk } from './under-sdk.ts';

type Body = (on: Branches) => Promise<void>;

/**
 * Defines the tests that hold a resource against what Verdict asks of it, in whatever framework has
 * `describe` and `it`: vitest, jest and node:test among them. `make` gives a new harness, with no
 * data, for each test.
 */
export function resourceContract(
  name: string,
  make: () => Promise<ResourceHarness> | ResourceHarness,
  options: ResourceContractOptions = {},
): void {
  const { describe, it } = frameworkOf(options);
  const { writesCompete = true } = options;
  const test = (what: string, body: Body): void => {
    it(what, async () => {
      const harness = await make();
      try {
        await harness.start();
        assert.deepEqual([...(await harness.resource.inDoubt())], []);
        await body(new Branches(harness, writesCompete));
      } finally {
        await harness.dispose();
      }
    });
  };
  describe(`resource contract: ${name}`, () => {
    contractOf(test, writesCompete);
    resourceUnderSdk(test);
  });
}

function contractOf(test: (what: string, body: Body) => void, writesCompete: boolean): void {
  test('shows all of a branch with its commit, and nothing before', async (on) => {
    const branch = on.newBranch();
    const { payload, competitors } = await on.held(branch, { a: '1', b: '2' });
    await on.stillHeld(competitors);
    await on.commit(branch, payload);
    assert.deepEqual(await on.visible('a', 'b'), ['1', '2']);
    await on.letGo({ competitors });
    assert.deepEqual(await on.visible('a', 'b'), ['1', '2']);
    await on.free('a');
  });

  test('shows nothing of a branch that was rolled back, and lets go of what it held', async (on) => {
    const branch = on.newBranch();
    const { payload, competitors } = await on.held(branch, { a: '1', b: '2' });
    await on.rollback(branch, payload);
    await on.letGo({ competitors });
    assert.deepEqual(await on.visible('a', 'b'), [null, null]);
    assert.deepEqual(await on.inDoubt(), []);
    await on.free('b');
  });

  for (const outcome of ['commit', 'rollback'] as const) {
    test(`has what it voted for on disk before the vote: crash, then ${outcome}`, async (on) => {
      const branch = on.newBranch();
      await on.held(branch, { a: '1', b: '2' });
      await on.reopen();
      assert.deepEqual(await on.inDoubt(), [textOf(branch)]);
      assert.deepEqual(await on.visible('a', 'b'), [null, null]);
      const competitors = on.rivalsFor('a', 'b');
      await on.stillHeld(competitors);
      const payload = on.harness.payloadThatWrites({ a: '1', b: '2' });
      if (outcome === 'commit') await on.commit(branch, payload);
      else await on.rollback(branch, payload);
      await on.letGo({ competitors });
      const expected = outcome === 'commit' ? ['1', '2'] : [null, null];
      assert.deepEqual(await on.visible('a', 'b'), expected);
      assert.deepEqual(await on.inDoubt(), []);
      await on.reopen();
      assert.deepEqual(await on.inDoubt(), []);
      assert.deepEqual(await on.visible('a', 'b'), expected);
    });
  }

  test('keeps what is in doubt through one crash after another', async (on) => {
    const branch = on.newBranch();
    await on.held(branch, { a: '1' });
    for (let crashes = 0; crashes < 3; crashes += 1) {
      await on.reopen();
      assert.deepEqual(await on.inDoubt(), [textOf(branch)]);
    }
    await on.commit(branch, on.harness.payloadThatWrites({ a: '1' }));
    assert.deepEqual(await on.visible('a'), ['1']);
  });

  test('commits once, however often it is told', async (on) => {
    const first = on.newBranch();
    const before = await on.held(first, { a: '1' });
    const { payload } = before;
    await on.commit(first, payload);
    await on.commit(first, payload);
    await on.commit(first, undefined);
    await on.letGo(before);
    const second = on.newBranch();
    const after = await on.held(second, { a: '2' });
    await on.commit(second, after.payload);
    await on.letGo(after);
    await on.commit(first, payload);
    assert.deepEqual(await on.visible('a'), ['2']);
    await on.reopen();
    await on.commit(first, payload);
    await on.commit(first, undefined);
    assert.deepEqual(await on.visible('a'), ['2']);
    await on.free('a');
  });

  test('rolls back once, however often it is told', async (on) => {
    const first = on.newBranch();
    const before = await on.held(first, { a: '1' });
    const { payload } = before;
    await on.rollback(first, payload);
    await on.rollback(first, payload);
    await on.letGo(before);
    const second = on.newBranch();
    const { competitors } = await on.held(second, { a: '2' });
    // What the first is told must not touch what the second holds.
    await on.rollback(first, payload);
    await on.stillHeld(competitors);
    await on.commit(second, on.harness.payloadThatWrites({ a: '2' }));
    await on.letGo({ competitors });
    await on.reopen();
    await on.rollback(first, undefined);
    assert.deepEqual(await on.visible('a'), ['2']);
    assert.deepEqual(await on.inDoubt(), []);
  });

  test('does nothing where nothing is held', async (on) => {
    const other = on.newBranch();
    const { payload, competitors } = await on.held(other, { a: '1' });
    await on.rollback(on.newBranch(), on.harness.payloadThatWrites({ a: '2' }));
    await on.rollback(on.newBranch(), undefined);
    // Of the same transaction, and of the same name in another one.
    await on.rollback(on.newBranch('another', other.txid), undefined);
    await on.rollback(on.newBranch(other.branch), undefined);
    await on.stillHeld(competitors);
    assert.deepEqual(await on.inDoubt(), [textOf(other)]);
    await on.commit(other, payload);
    assert.deepEqual(await on.visible('a'), ['1']);
  });

  test('makes nothing up for a commit of what was never prepared, or was rolled back', async (on) => {
    const branch = on.newBranch();
    const payload = on.harness.payloadThatWrites({ a: '1' });
    // Whether it says so is its own affair: the SDK asks for no such thing.
    await on.commit(branch, payload).catch(nothing);
    assert.deepEqual(await on.visible('a'), [null]);
    const other = on.newBranch();
    const before = await on.held(other, { a: '2' });
    await on.rollback(other, before.payload);
    await on.letGo(before);
    await on.commit(other, on.harness.payloadThatWrites({ a: '2' })).catch(nothing);
    assert.deepEqual(await on.visible('a'), [null]);
    assert.deepEqual(await on.inDoubt(), []);
  });

  test('prepares again what was rolled back before its vote was known', async (on) => {
    const branch = on.newBranch();
    const writes = { a: '1', b: '2' };
    await on.held(branch, writes);
    await on.reopen();
    await on.rollback(branch, undefined);
    const again = await on.held(branch, writes);
    await on.commit(branch, again.payload);
    await on.letGo(again);
    assert.deepEqual(await on.visible('a', 'b'), ['1', '2']);
  });

  test('holds nothing after a vote to abort', async (on) => {
    const branch = on.newBranch();
    const answer = await on.prepare(branch, on.harness.payloadThatRefuses('a'));
    assert.equal(answer.vote, 'abort');
    assert.equal(typeof answer.reason.message, 'string');
    assert.deepEqual(await on.inDoubt(), []);
    await on.free('a');
    assert.deepEqual(await on.visible('a'), [null]);
  });

  test('keeps branches apart, of one transaction as of several', async (on) => {
    const txid = newTxid();
    const branches = Array.from({ length: 24 }, (_, index) => ({
      ref: index < 2 ? on.newBranch(`part-${index}`, txid) : on.newBranch(`part ${index}/é"`),
      key: `key-${index}`,
      payload: on.harness.payloadThatWrites({
        [`key-${index}`]: String(index),
        [`more-${index}`]: 'x',
      }),
      commits: index < 2 || index % 3 !== 0,
    }));
    const votes = await Promise.all(branches.map(({ ref, payload }) => on.prepare(ref, payload)));
    assert.deepEqual(
      votes.map(({ vote }) => vote),
      branches.map(() => 'commit'),
    );
    assert.deepEqual(await on.inDoubt(), branches.map(({ ref }) => textOf(ref)).sort());
    const end = async (part: typeof branches): Promise<void> => {
      await Promise.all(
        part.map(({ ref, payload, commits }) =>
          commits ? on.commit(ref, payload) : on.rollback(ref, payload),
        ),
      );
    };
    await end(branches.slice(0, 12));
    assert.deepEqual(
      await on.inDoubt(),
      branches
        .slice(12)
        .map(({ ref }) => textOf(ref))
        .sort(),
    );
    await on.reopen();
    assert.deepEqual(
      await on.inDoubt(),
      branches
        .slice(12)
        .map(({ ref }) => textOf(ref))
        .sort(),
    );
    await end(branches.slice(12));
    for (const [index, { key, commits }] of branches.entries()) {
      const expected = commits ? [String(index), 'x'] : [null, null];
      assert.deepEqual(await on.visible(key, `more-${index}`), expected);
    }
  });

  if (writesCompete) {
    test('gives up waiting when the signal fires, and holds nothing then', async (on) => {
      const first = on.newBranch();
      const { payload, competitors } = await on.held(first, { a: '1' });
      const second = on.newBranch();
      const controller = new AbortController();
      const answer = on.prepare(
        second,
        on.harness.payloadThatWrites({ z: '9', a: '2' }),
        controller.signal,
      );
      const ended = answer.then(
        ({ vote }) => vote,
        () => 'threw',
      );
      await realPause(raceMs);
      controller.abort(new Error('The transaction was rolled back.'));
      const vote = await ended;
      assert.notEqual(vote, 'commit');
      // As the SDK does: after a throw no one knows how far it came.
      if (vote === 'threw') await on.rollback(second, undefined);
      await on.free('z');
      await on.commit(first, payload);
      await on.letGo({ competitors });
      await on.free('a');
      assert.deepEqual(await on.visible('a', 'z'), ['1', null]);
    });
  }

  test('is atomic wherever it is killed', async (on) => {
    for (let round = 0; round < 4; round += 1) {
      const branches = Array.from({ length: 12 }, () => on.newBranch());
      await killSomewhere(on.harness, { branches, random: systemRandom });
    }
  });
}
