import { expect, it } from 'vitest';
import { rig } from '../../support/participants/participant-rig.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo } from '../../support/samples/messages.ts';

const leaders = [leaderInfo('n1')];
const nodes = [
  { node: 'n1', url: 'inside-1:7070' },
  { node: 'n2', url: 'inside-2:7070' },
];

it('an advertised address is left alone once a given one reaches its node, and used again when that one is lost', async () => {
  const { node, dialer, clock } = await rig({ urls: ['given-1:7070', 'given-2:7070'] });
  await node('given-1', { node: 'n1', leaders, nodes });
  const waiting = (): string[] =>
    dialer.attempts.map((each) => new URL(each.options.url).hostname).sort();
  expect(waiting()).toEqual(['given-2', 'inside-2']);
  const second = await node('given-2', { node: 'n2', leaders, nodes });
  expect(waiting()).toEqual([]);
  await clock.advance(60_000);
  expect(dialer.dialled.filter((url) => url.includes('inside-2'))).toHaveLength(1);
  second.drop();
  await clock.advance(0);
  expect(waiting()).toEqual(['inside-2']);
  await clock.advance(100);
  expect(waiting()).toEqual(['given-2', 'inside-2']);
});

it('a node that comes back as the leader is dialled at once, however long the pause after the last failure', async () => {
  const { node, dialer, clock } = await rig({ urls: ['n1:7070', 'n2:7070'] });
  const first = await node('n1', { leaders });
  const second = await node('n2', { leaders });
  first.drop();
  for (let failures = 0; failures < 8; failures += 1) {
    await clock.advance(2_000);
    for (const attempt of [...dialer.attempts]) attempt.refuse();
  }
  expect(dialer.attempts).toEqual([]);
  second.deliver({ type: 'topology', leaders: [leaderInfo('n1', { revision: 2 })], nodes: [] });
  await settle();
  expect(dialer.attempts.map((each) => new URL(each.options.url).hostname)).toEqual(['n1']);
});

it('a leader is dialled though its entry among the nodes is missing', async () => {
  const { node, dialer } = await rig({ urls: ['n2:7070'] });
  const second = await node('n2', { leaders: [], nodes: [{ node: 'n2', url: 'n2:7070' }] });
  const nodes = [{ node: 'n2', url: 'n2:7070' }];
  second.deliver({ type: 'topology', leaders: [leaderInfo('n1', { revision: 2 })], nodes });
  await settle();
  expect(dialer.attempts.map((each) => new URL(each.options.url).hostname)).toEqual(['n1']);
});
