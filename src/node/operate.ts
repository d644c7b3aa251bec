/** What operators ask of a node, and tell it to do. */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type { Claim } from '../core/claims.ts';
import type {
  InfoReply,
  List,
  ListReply,
  Locks,
  LocksReply,
  Rebind,
  Retire,
  ToNode,
} from '../core/messages.ts';
import { listLimit } from '../core/term/events.ts';
import { thrownLine } from '../core/thrown.ts';
import { encodedOnce } from '../wire/encoded-once.ts';
import type { CoordinatorNode } from './node.ts';
import { queuesOf } from './queues.ts';
import type { Session } from './session.ts';

export function operate(
  node: CoordinatorNode,
  session: Session,
  message: Extract<
    ToNode,
    { type: 'config' | 'info' | 'list' | 'locks' | 'recover' | 'retire' | 'rebind' }
  >,
): void {
  const { id } = message;
  switch (message.type) {
    case 'config':
      session.send({ type: 'config', id, configuration: node.given.configuration?.() ?? {} });
      return;
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
    case 'rebind':
      return rebind(node, session, message);
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

function retire(node: CoordinatorNode, session: Session, message: Retire): void {
  const { id } = message;
  const retired = claimOf(session, message);
  if (retired === null) return;
  node.retire(retired).then(
    () => session.send({ type: 'retired', id }),
    (error) => session.fail(id, 'LOG_UNAVAILABLE', thrownLine(error)),
  );
}

function rebind(node: CoordinatorNode, session: Session, message: Rebind): void {
  const { id, identity } = message;
  const claim = claimOf(session, message);
  if (claim === null) return;
  node.rebind(claim, identity).then(
    () => session.send({ type: 'rebound', id }),
    (error) => session.fail(id, 'LOG_UNAVAILABLE', thrownLine(error)),
  );
}

/** Null where it names none, or two: then it is answered. */
function claimOf(session: Session, message: Retire | Rebind): Claim | null {
  const { type, id, participant, instance, sharedResource } = message;
  if (instance !== undefined && sharedResource === undefined) return { participant, instance };
  if (instance === undefined && sharedResource !== undefined)
    return { participant, sharedResource };
  session.fail(id, 'INVALID_MESSAGE', `${type} names either an instance or a sharedResource.`);
  return null;
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
