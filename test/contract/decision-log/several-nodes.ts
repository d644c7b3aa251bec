/** What only logs have that several nodes open at once. */
import { expect, it } from 'vitest';
import { DecisionLogError, LeadershipLostError } from '../../../src/ports/decision-log.ts';
import { commitOf, never } from '../../support/logs/stores.ts';
import type { LogRig } from './rig.ts';

export function severalNodesAtOnce(rig: LogRig): void {
  it('a waiting campaign takes over at once from a leader that is known to be gone', async () => {
    const other = await rig.fixture.open('beta');
    const campaign = other.campaign(0, { signal: never });
    other.leaderGone({ shard: 0, epoch: rig.leadership.epoch });
    const next = await campaign;
    expect(next.epoch > rig.leadership.epoch).toBe(true);
    await expect(rig.leadership.decide(commitOf(rig.txid(1)))).rejects.toThrow(LeadershipLostError);
    expect(await next.tick(1)).toBe(1);
  });

  it('a leader that was known to be gone before the campaign is not waited for', async () => {
    const other = await rig.fixture.open('beta');
    other.leaderGone({ shard: 0, epoch: rig.leadership.epoch });
    const next = await other.campaign(0, { signal: never });
    expect(next.epoch > rig.leadership.epoch).toBe(true);
  });

  it('evidence against an earlier leader is none against this one', async () => {
    const before = rig.leadership.epoch;
    await rig.leadership.resign();
    rig.leadership = await rig.log.campaign(0, { signal: never });
    const other = await rig.fixture.open('beta');
    other.leaderGone({ shard: 0, epoch: before });
    const stop = new AbortController();
    const campaign = other.campaign(0, { signal: stop.signal });
    campaign.catch(() => undefined);
    for (let write = 1; write <= 20; write += 1)
      await rig.leadership.decide(commitOf(rig.txid(write)));
    expect(rig.leadership.lost.aborted).toBe(false);
    stop.abort(new Error('told to'));
    await expect(campaign).rejects.toThrow('told to');
  });

  it('watchers hear of nodes that come and go', async () => {
    const heard: string[][] = [];
    const leave = rig.log.watchNodes((nodes) => heard.push(nodes.map(({ node }) => node)));
    const other = await rig.fixture.open('beta');
    await expect.poll(() => heard.at(-1)).toEqual(['alpha', 'beta']);
    await expect.poll(() => other.nodes().length).toBe(2);
    await other.close();
    await expect.poll(() => heard.at(-1)).toEqual(['alpha']);
    leave();
    await rig.fixture.open('gamma');
    expect(heard.at(-1)).toEqual(['alpha']);
  });

  it('a second node waits for the leadership, and has it when the first gives it up', async () => {
    const other = await rig.fixture.open('beta');
    let won = false;
    const campaign = other.campaign(0, { signal: never }).then((next) => {
      won = true;
      return next;
    });
    await rig.leadership.decide(commitOf(rig.txid(1)));
    expect(won).toBe(false);
    expect(other.leaders()[0]?.node).toBe('alpha');
    await rig.log.close();
    const next = await campaign;
    expect(next.epoch > rig.leadership.epoch).toBe(true);
    expect((await other.read(rig.txid(1))).record?.outcome).toBe('commit');
  });

  it('a waiting campaign ends with its signal or its log', async () => {
    const other = await rig.fixture.open('beta');
    const stop = new AbortController();
    const told = expect(other.campaign(0, { signal: stop.signal })).rejects.toThrow('told to');
    const closed = expect(other.campaign(0, { signal: never })).rejects.toThrow(DecisionLogError);
    stop.abort(new Error('told to'));
    await told;
    await other.close();
    await closed;
    expect(await rig.leadership.tick(1)).toBe(1);
  });
}
