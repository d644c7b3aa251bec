/** What operators ask of a node, and tell it to do. */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type {
  InfoReply,
  List,
  ListReply,
  Locks,
  LocksReply,
  Retire,
  ToNode,
} from '../core/messages.ts';
import type { Retired } from '../core/retired.ts';
import { listLimit } from '../core/term/events.ts';
import { thrownLine } from '../core/thrown.ts';
import { encodedOnce } from '../wire/encoded-once.ts';
import type { CoordinatorNode } from './node.ts';
import { queuesOf } from './queues.ts';
import type { Session } from './session.ts';

export function operate(
  node: CoordinatorNode,
  session: Session,
  message: Extract<ToNode, { type: 'info' | 'list' | 'locks' | 'recover' | 'retire' }>,
): void {
  const { id } = message;
  switch (message.type) {
    case 'info':
      return answer(node, session, id, () => info(node));
    case 'list':
      return answer(node, session, id, () => list(node, message));
    case 'locks':
      return answer(node, session, id, () => locks(node, message));
    case 'recover':
      void recover(node, session, id);
      return;
    case 'retire':
      return retire(node, session, message);
  }
}

/** Of several that are asked for at once, each in its turn. */
function answer(
  node: CoordinatorNode,
  session: Session,
  id: number,
  make: () => InfoReply | ListReply | LocksReply,
): void {
  const given = node.pacedAnswers.give(() => session.send({ ...make(), id }));
  if (!given) session.fail(id, 'BUSY', tooManyWait, { retryAfterMs: 100 });
}

const tooManyWait = 'As many lists as may wait for their turn do so. Ask again later.';

function list(node: CoordinatorNode, message: List): ListReply {
  const { id, state, attention } = message;
  const limit = listLimit(message.limit);
  return node.dearAnswers.take(JSON.stringify(['list', state, attention, limit]), () => {
    const drivers = upToNow(node);
    const lists = drivers.map(({ term }) => term.list({ ...message, limit }));
    const all = lists.flatMap(({ transactions }) => transactions);
    if (lists.length > 1) all.sort((a, b) => a.ageMs - b.ageMs);
    const truncated = all.length > limit || lists.some((each) => each.truncated);
    return { type: 'list', id, transactions: encodedOnce(all.slice(0, limit)), truncated };
  });
}

function locks(node: CoordinatorNode, message: Locks): LocksReply {
  const { id, group, waiting } = message;
  const limit = listLimit(message.limit);
  return node.dearAnswers.take(JSON.stringify(['locks', group, waiting, limit]), () => {
    const drivers = upToNow(node);
    const lists = drivers.map(({ term }) => term.locks({ ...message, limit }));
    const all = lists.flatMap((each) => each.locks);
    all.sort((a, b) => b.waiting - a.waiting);
    const truncated = all.length > limit || lists.some((each) => each.truncated);
    return { type: 'locks', id, locks: encodedOnce(all.slice(0, limit)), truncated };
  });
}

/** A term that nothing happens in does not know how late it is. */
function upToNow({ drivers }: CoordinatorNode): ShardDriver[] {
  const all = [...drivers.values()];
  for (const driver of all) driver.step({ type: 'wake' });
  return all;
}

function info(node: CoordinatorNode): InfoReply {
  const { given } = node;
  return node.dearAnswers.take<InfoReply>('info', () => ({
    type: 'info',
    id: 0,
    node: given.node,
    cluster: given.log.meta.cluster,
    version: given.version,
    uptimeMs: Math.round(given.clock.monotonicMs() - node.startedAtMs),
    ready: node.ready,
    connections: node.connections,
    shards: node.confirmedLeaders().map((leader, shard) => ({
      shard,
      leader,
      ...(node.drivers.get(shard)?.term.info() ?? {}),
    })),
    participants: node.participants.info(),
    queues: queuesOf(node),
  }));
}

function retire(
  node: CoordinatorNode,
  session: Session,
  { id, participant, instance, sharedResource }: Retire,
): void {
  if ((instance === undefined) === (sharedResource === undefined)) {
    session.fail(id, 'INVALID_MESSAGE', 'retire names either an instance or a sharedResource.');
    return;
  }
  const retired: Retired =
    instance === undefined
      ? { participant, sharedResource: sharedResource ?? '' }
      : { participant, instance };
  node.retire(retired).then(
    () => session.send({ type: 'retired', id }),
    (error) => session.fail(id, 'LOG_UNAVAILABLE', thrownLine(error)),
  );
}

async function recover(node: CoordinatorNode, session: Session, id: number): Promise<void> {
  let pending = 0;
  let resumed = 0;
  try {
    for (const driver of node.drivers.values()) {
      const scan = await driver.scan();
      pending += scan.pending;
      resumed += scan.resumed;
    }
    session.send({ type: 'recovered', id, pending, resumed });
  } catch (error) {
    session.fail(id, 'LOG_UNAVAILABLE', thrownLine(error));
  }
}
