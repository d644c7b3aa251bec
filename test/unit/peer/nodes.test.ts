import { describe, expect, it } from 'vitest';
import type { LeaderInfo, Welcome } from '../../../src/core/messages.ts';
import type { Link } from '../../../src/peer/link.ts';
import { Nodes, type NodesOptions } from '../../../src/peer/nodes.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, welcomeOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

function setUp(
  reach: NodesOptions['reach'],
  urls: readonly string[],
  { token, tls = false, events = {} }: Partial<Pick<NodesOptions, 'token' | 'tls' | 'events'>> = {},
) {
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  const nodes = new Nodes({
    urls,
    reach,
    token,
    tls,
    link: {
      dialer,
      clock,
      random: seededRandom(),
      hello: () => ({ name: 'test', instance: 'i', roles: ['client'] }),
    },
    events,
  });
  nodes.start();
  const connect = (host: string, welcome: Welcome): MemoryConnection => {
    const connection = dialer.next(`${tls ? 'wss' : 'ws'}://${host}:7070/v1`).accept();
    connection.deliver(welcome);
    return connection;
  };
  const waiting = (): string[] => dialer.attempts.map((each) => new URL(each.options.url).hostname);
  const hosts = (): string[] => nodes.links.map((link) => new URL(link.url).hostname).sort();
  return { clock, dialer, nodes, connect, waiting, hosts };
}

const info = (node: string) => ({ node, url: `ws://${node}:7070/v1` });
const three = [info('a'), info('b'), info('c')];

describe('with TLS at all given addresses', () => {
  it.each(['every', 'leaders'] as const)(
    'an address without is not dialled, and told of once (%s)',
    async (reach) => {
      const problems: string[] = [];
      const withoutTls = (_node: unknown, problem: string): unknown => problems.push(problem);
      const secure = { node: 'c', url: 'wss://c:7070/v1' };
      const { connect, dialer } = setUp(reach, ['given'], { tls: true, events: { withoutTls } });
      const first = connect('given', welcomeOf('a', { nodes: [info('b'), secure] }));
      const leaders = [leaderInfo('b', { revision: 2, url: 'ws://b:7070/v1' })];
      for (let count = 0; count < 3; count += 1) {
        first.deliver({ type: 'topology', leaders, nodes: [info('b'), secure] });
        await settle();
      }
      expect(dialer.dialled).toEqual(['wss://given:7070/v1', 'wss://c:7070/v1']);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toContain('ws://b:7070/v1');
      // However many addresses a node makes up.
      for (let count = 0; count < 200; count += 1) {
        first.deliver({ type: 'topology', leaders, nodes: [info(`b${count}`)] });
        await settle();
      }
      expect(problems).toHaveLength(64);
      expect(dialer.dialled).toHaveLength(2);
    },
  );

  it('an advertised node must have the name of one of them', async () => {
    const { connect, dialer } = setUp('every', ['given', 'wss://[::1]:7071'], { tls: true });
    const named = (host: string) => dialer.next(`wss://${host}/v1`).options.names;
    expect(named('given:7070')).toBe(undefined);
    connect('given', welcomeOf('a', { nodes: [{ node: 'c', url: 'wss://c:7070/v1' }] }));
    await settle();
    expect(named('c:7070')).toEqual(['given', '::1']);
  });

  it('one without among them is a mistake where TLS options are given, and else dialled', async () => {
    expect(() => setUp('every', ['a', 'ws://b:7070'], { tls: true })).toThrow('Write wss://');
    const { connect, dialer } = setUp('every', ['ws://a:7070', 'wss://b:7070']);
    connect('a', welcomeOf('a', { nodes: [info('c')] }));
    await settle();
    expect(dialer.dialled).toContain('ws://c:7070/v1');
  });
});

describe('a link to every node', () => {
  it('is made as nodes are told of, and not twice to one that a given address reaches', async () => {
    const { nodes, connect, waiting, hosts } = setUp('every', ['given', 'given:7070']);
    expect(waiting()).toEqual(['given']);
    connect('given', welcomeOf('a', { nodes: three }));
    await settle();
    expect(waiting()).toEqual(['b', 'c']);
    connect('b', welcomeOf('b', { nodes: three }));
    expect(nodes.linkTo('a')?.url).toBe('ws://given:7070/v1');
    expect(nodes.connected()).toHaveLength(2);
    expect(hosts()).toEqual(['b', 'c', 'given']);
  });

  it('goes to the advertised address while the given one is down, and back; nodes that left are dropped', async () => {
    const { connect, hosts, clock } = setUp('every', ['given']);
    const given = connect('given', welcomeOf('a', { nodes: three }));
    const b = connect('b', welcomeOf('b', { nodes: three }));
    given.drop();
    await settle();
    expect(hosts()).toEqual(['a', 'b', 'c', 'given']);
    await clock.advance(100);
    connect('given', welcomeOf('a', { nodes: three }));
    await settle();
    expect(hosts()).toEqual(['b', 'c', 'given']);
    b.deliver({
      type: 'topology',
      leaders: [leaderInfo('b', { revision: 2 })],
      nodes: [info('b')],
    });
    await settle();
    expect(hosts()).toEqual(['b', 'given']);
  });
});

describe('a connection to every node', () => {
  it('stays while its node is not told of, and moves when the node is told of elsewhere', async () => {
    const { nodes, connect, hosts } = setUp('every', ['given']);
    const given = connect('given', welcomeOf('a', { nodes: three }));
    connect('b', welcomeOf('b', { nodes: three }));
    const leaders = [leaderInfo('a')];
    given.deliver({ type: 'topology', leaders, nodes: [info('a')] });
    await settle();
    expect(hosts()).toEqual(['b', 'given']);
    const moved = { node: 'b', url: 'ws://moved:7070/v1' };
    given.deliver({ type: 'topology', leaders, nodes: [info('a'), moved] });
    await settle();
    expect(hosts()).toEqual(['b', 'given']);
    expect(nodes.linkTo('b')?.url).toBe('ws://b:7070/v1');
  });

  it('is one: the older of two ends before the newer is welcomed, whatever is in flight there', async () => {
    const told: string[] = [];
    const tell = (what: string) => (link: Link) => {
      told.push(`${what} ${new URL(link.url).hostname}`);
    };
    const { nodes, connect, hosts } = setUp('every', ['one', 'two'], {
      events: { welcome: tell('welcome'), dropped: tell('dropped') },
    });
    connect('one', welcomeOf('a', { nodes: [info('a')] }));
    const ended = nodes
      .linkTo('a')
      ?.request({ type: 'info' }, { timeoutMs: 60_000 })
      .catch((error) => error.code);
    connect('two', welcomeOf('a', { nodes: [info('a')] }));
    expect(told).toEqual(['welcome one', 'dropped one', 'welcome two']);
    expect([await ended, hosts()]).toEqual(['CLOSED', ['two']]);
  });

  it('is made anew on demand, to all that were connected', async () => {
    const { nodes, connect, dialer, hosts } = setUp('every', ['given']);
    connect('given', welcomeOf('a', { nodes: three }));
    connect('b', welcomeOf('b', { nodes: three }));
    nodes.redial();
    await settle();
    expect(nodes.connected()).toEqual([]);
    expect(hosts()).toEqual(['a', 'b', 'c', 'given']);
    expect(dialer.dialled.filter((url) => url.includes('given'))).toHaveLength(2);
  });
});

describe('a token', () => {
  it('is for the given addresses; those that a node tells of get no more than a proof', async () => {
    const { connect, dialer, waiting } = setUp('every', ['given'], { token: 'secret' });
    expect(dialer.next().options.credential).toEqual({ token: 'secret', given: true });
    connect('given', welcomeOf('a', { nodes: three }));
    await settle();
    expect(waiting()).toEqual(['b', 'c']);
    for (const attempt of dialer.attempts) {
      expect(attempt.options.credential).toEqual({ token: 'secret', given: false });
    }
  });
});

describe('two given addresses of one node', () => {
  it('are not dialled in turns forever: the newer connection stays, the other address waits for its end', async () => {
    const { connect, hosts, clock, waiting } = setUp('every', ['one', 'two']);
    const one = connect('one', welcomeOf('a', { nodes: [info('a')] }));
    const two = connect('two', welcomeOf('a', { nodes: [info('a')] }));
    // As the node does with a participant's older connection.
    one.deliver({ type: 'goaway', reason: 'superseded' });
    one.drop({ code: 1000, kind: 'closed' });
    await clock.advance(60_000);
    expect([hosts(), waiting()]).toEqual([['two'], []]);
    two.drop();
    await settle();
    expect(hosts()).toEqual(['a', 'one', 'two']);
  });
});

describe('links to leaders', () => {
  it('ask everybody until the leader is found, then keep that one and a lookout', async () => {
    const { nodes, connect, hosts } = setUp('leaders', ['a', 'b', 'c']);
    expect(hosts()).toEqual(['a', 'b', 'c']);
    const leaders = [leaderInfo('b', { revision: 3 })];
    connect('a', welcomeOf('a', { leaders, nodes: three }));
    expect(nodes.leaderLink(0)).toBeNull();
    connect('b', welcomeOf('b', { leaders, nodes: three }));
    await settle();
    expect(nodes.leaderLink(0)?.welcome?.node).toBe('b');
    expect(hosts()).toEqual(['a', 'b']);
  });

  it('look everywhere again when it is lost, and dial the new one at once', async () => {
    const { nodes, connect, hosts, waiting, dialer } = setUp('leaders', ['a', 'b']);
    connect('a', welcomeOf('a', { nodes: three })).drop();
    expect(hosts()).toEqual(['a', 'b', 'c']);
    dialer.next('ws://c:7070/v1').refuse();
    expect(waiting()).toEqual(['b']);
    connect('b', welcomeOf('b', { leaders: [leaderInfo('c', { revision: 2 })], nodes: three }));
    // c was pausing; being told to lead ended the pause.
    expect(waiting()).toContain('c');
    connect('c', welcomeOf('c', { leaders: [leaderInfo('c', { revision: 2 })], nodes: three }));
    await settle();
    expect(nodes.leaderLink(0)?.welcome?.node).toBe('c');
    expect(hosts()).toEqual(['b', 'c']);
  });

  it('have a new lookout looked for where the one before is lost, by given addresses first', async () => {
    const { connect, hosts, dialer } = setUp('leaders', ['x', 'y', 'z']);
    const nodes = three;
    connect('x', welcomeOf('a', { nodes }));
    const y = connect('y', welcomeOf('b', { leaders: [leaderInfo('a')], nodes }));
    await settle();
    expect(hosts()).toEqual(['x', 'y']);
    y.drop();
    await settle();
    // y led to b and z may lead to anybody: b's advertised address is not needed, c's is.
    expect(hosts()).toEqual(['c', 'x', 'y', 'z']);
    connect('z', welcomeOf('c', { leaders: [leaderInfo('a')], nodes }));
    await settle();
    expect(hosts()).toEqual(['x', 'z']);
    expect(dialer.attempts).toEqual([]);
  });

  it('need no lookout where several nodes lead, or where there is one node', async () => {
    const leaders = [leaderInfo('a'), leaderInfo('b', { shard: 1, revision: 2 })];
    const several = setUp('leaders', ['a', 'b', 'c']);
    several.connect('a', welcomeOf('a', { shards: 2, leaders, nodes: three }));
    several.connect('b', welcomeOf('b', { shards: 2, leaders, nodes: three }));
    await settle();
    expect(several.hosts()).toEqual(['a', 'b']);
    const alone = setUp('leaders', ['a', 'gone']);
    alone.connect('a', welcomeOf('a'));
    await settle();
    expect(alone.hosts()).toEqual(['a']);
  });

  it('do not take a second address of the leader for a lookout, nor dial it forever', async () => {
    const { connect, hosts, clock, dialer } = setUp('leaders', ['a', 'also-a']);
    connect('a', welcomeOf('a', { nodes: three }));
    connect('also-a', welcomeOf('a', { nodes: three }));
    connect('b', welcomeOf('b', { leaders: [leaderInfo('a')], nodes: three })).drop();
    await settle();
    const dialled = dialer.dialled.filter((url) => url.includes('also-a')).length;
    await clock.advance(60_000);
    expect(dialer.dialled.filter((url) => url.includes('also-a')).length).toBe(dialled);
    expect(hosts()).toEqual(['a', 'b', 'c']);
  });

  it('give up what an older leader was asked when a newer one is named, after a little time for it', async () => {
    const { nodes, connect, clock } = setUp('leaders', ['a', 'b']);
    connect('a', welcomeOf('a', { nodes: three }));
    const b = connect('b', welcomeOf('b', { leaders: [leaderInfo('a')], nodes: three }));
    await settle();
    const ended: string[] = [];
    const ask = (name: string, leader: LeaderInfo | undefined): void => {
      const asked = nodes
        .leaderLink(0)
        ?.request(
          { type: 'begin' },
          { timeoutMs: 60_000, ...(leader === undefined ? {} : { leader }) },
        );
      void asked?.catch((error) => ended.push(`${name} ${error.code} ${error.acted}`));
    };
    ask('of the shard', leaderInfo('a'));
    ask('of another shard', leaderInfo('a', { shard: 1 }));
    ask('of no one', undefined);
    b.deliver({ type: 'topology', leaders: [leaderInfo('b', { revision: 2 })], nodes: three });
    await clock.advance(200);
    expect(ended).toEqual([]);
    await clock.advance(100);
    expect(ended).toEqual(['of the shard CONNECTION_LOST unknown']);
  });

  it('believe the end of a leadership from the leader only, and its return from itself only', async () => {
    const { nodes, connect } = setUp('leaders', ['a', 'b']);
    const b = connect(
      'b',
      welcomeOf('b', { leaders: [leaderInfo('a', { revision: 2 })], nodes: three }),
    );
    b.deliver({ type: 'topology', leaders: [null], nodes: three });
    expect(nodes.leader(0)?.node).toBe('a');
    b.deliver({ type: 'topology', leaders: [leaderInfo('b', { revision: 1 })], nodes: three });
    expect(nodes.leader(0)?.node).toBe('a');
    const a = connect('a', welcomeOf('a', { leaders: [null], nodes: three }));
    expect(nodes.leader(0)).toBeNull();
    await settle();
    b.deliver({ type: 'topology', leaders: [leaderInfo('a', { revision: 2 })], nodes: three });
    expect(nodes.leader(0)).toBeNull();
    a.deliver({ type: 'topology', leaders: [leaderInfo('a', { revision: 2 })], nodes: three });
    expect(nodes.leader(0)?.node).toBe('a');
  });

  it('take no one for a leader on the word of others who has said before that it does not lead', async () => {
    const { nodes, connect } = setUp('leaders', ['a', 'b']);
    const a = connect('a', welcomeOf('a', { leaders: [null], nodes: three }));
    connect('b', welcomeOf('b', { leaders: [leaderInfo('a')], nodes: three }));
    expect(nodes.leaderLink(0)).toBeNull();
    expect(nodes.newestLeader(0)?.node).toBe('a');
    a.deliver({ type: 'topology', leaders: [leaderInfo('a')], nodes: three });
    await settle();
    expect(nodes.leaderLink(0)?.welcome?.node).toBe('a');
  });

  it('survive what is no address', async () => {
    const { connect, hosts } = setUp('leaders', ['a']);
    connect('a', welcomeOf('a', { leaders: [null], nodes: [{ node: 'x', url: 'ftp://x' }] }));
    await settle();
    expect(hosts()).toEqual(['a']);
  });
});

it('closes all of them', async () => {
  const { nodes, connect, clock, dialer } = setUp('every', ['a']);
  connect('a', welcomeOf('a', { nodes: three }));
  await nodes.close();
  await clock.advance(60_000);
  expect([dialer.attempts.length, clock.timers, nodes.links.length]).toEqual([0, 0, 0]);
});
