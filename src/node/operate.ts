/** What operators ask of a node, and tell it to do. */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import type { Claim } from '../core/claims.ts';
import type {
  InfoReply,
  List,
  ListReply,
  Locks,
  LocksReply,
  Owner,
  Owners,
  Rebind,
  Retire,
  StatsReply,
  ToNode,
} from '../core/messages.ts';
import { concerns } from '../core/retired.ts';
import { listLimit } from '../core/term/events.ts';
import { maxOwners } from '../core/term/participants.ts';
import { thrownLine, thrownText } from '../core/thrown.ts';
import { BindRefusedError } from '../ports/decision-log.ts';
import { encodedOnce } from '../wire/encoded-once.ts';
import { figuresOf } from './figures-of.ts';
import type { CoordinatorNode } from './node.ts';
import { queuesOf } from './queues.ts';
import { isRelayed } from './relay.ts';
import type { Session } from './session.ts';

export function operate(
  node: CoordinatorNode,
  session: Session,
  message: Extract<
    ToNode,
    { type: 'config' | 'info' | 'list' | 'locks' | 'recover' | 'retire' | 'rebind' | 'stats' }
  >,
): void {
  const { id } = message;
  if (isRelayed(message, node.given.node)) return node.relay.ask(session, message);
  switch (message.type) {
    case 'config':
      session.send({ type: 'config', id, configuration: node.given.configuration?.() ?? {} });
      return;
    case 'info':
      return answer(node, session, id, () => info(node, message.ownersOf));
    case 'stats':
      return answer(node, session, id, () => ({ type: 'stats', id, ...figuresOf(node) }));
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
  make: () => InfoReply | ListReply | LocksReply | StatsReply,
): void {
  const given = node.pacedAnswers.give(session.origin, () => session.send({ ...make(), id }));
  if (!given) session.fail(id, 'BUSY', tooManyWait, { retryAfterMs: 100 });
}

const tooManyWait = 'As many lists as may wait for their turn do so. Ask again later.';

function list(node: CoordinatorNode, message: List): ListReply {
  const { id, state, attention } = message;
  const limit = listLimit(message.limit);
  return node.dearAnswers.take(JSON.stringify(['list', state, attention, limit]), () => {
    const drivers = upToNow(node);
    const lists = drivers.map(({ term }) => term.list({ ...message, limit }));
    const left = node.leftBehind.list(message);
    const all = [...lists.flatMap(({ transactions }) => transactions), ...left];
    if (lists.length > 1 || left.length > 0) all.sort((a, b) => a.ageMs - b.ageMs);
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

function info(node: CoordinatorNode, participant: string | undefined): InfoReply {
  const { given } = node;
  return node.dearAnswers.take<InfoReply>(JSON.stringify(['info', participant]), () => ({
    type: 'info',
    id: 0,
    node: given.node,
    cluster: given.log.meta.cluster,
    version: given.version,
    uptimeMs: Math.round(given.clock.monotonicMs() - node.startedAtMs),
    ready: node.ready,
    ...(node.leading.drained && { drained: true }),
    connections: node.connections,
    shards: node.confirmedLeaders().map((leader, shard) => ({
      shard,
      leader,
      ...(node.drivers.get(shard)?.term.info() ?? node.leftBehind.counts(shard)),
    })),
    participants: node.participants.info(),
    queues: queuesOf(node),
    problems: node.problems(),
    ...(participant !== undefined && { owners: ownersAt(node, participant) }),
  }));
}

function ownersAt({ drivers }: CoordinatorNode, participant: string): Owners {
  const all = [...drivers.values()].map(({ term }) => term.owners(participant));
  const known = all.flatMap((each) => each.known);
  return {
    known: known.slice(0, maxOwners),
    complete: known.length <= maxOwners && all.every(({ complete }) => complete),
  };
}

function retire(node: CoordinatorNode, session: Session, message: Retire): void {
  const { id } = message;
  const retired = claimOf(session, message);
  if (retired === null) return;
  const { log, logger } = node.given;
  // Every node refuses it forever from then on; its branches count as acknowledged.
  void record(
    node,
    session,
    { id, claim: retired, onlyKnown: message.onlyKnown },
    () => log.retire(retired),
    () => {
      logger.warn({ ...retired }, 'An operator retired a participant.');
      session.send({ type: 'retired', id });
    },
  );
}

function rebind(node: CoordinatorNode, session: Session, message: Rebind): void {
  const { id, identity } = message;
  const claim = claimOf(session, message);
  if (claim === null) return;
  const { log, logger } = node.given;
  // Every node lets in that identity alone as it from then on.
  void record(
    node,
    session,
    { id, claim, onlyKnown: message.onlyKnown },
    () => log.rebind(claim, identity),
    () => {
      const fields = { event: 'rebound', ...claim, identity };
      logger.warn(fields, 'An operator gave a participant to another identity.');
      session.send({ type: 'rebound', id });
    },
  );
}

/** Nothing is done where it was to be known, and is not. */
async function record(
  node: CoordinatorNode,
  session: Session,
  asked: { readonly id: number; readonly claim: Claim; readonly onlyKnown: boolean | undefined },
  write: () => Promise<void>,
  done: () => void,
): Promise<void> {
  const { id, claim, onlyKnown } = asked;
  try {
    if (onlyKnown === true && !(await isKnown(node, claim))) {
      session.fail(id, 'WRONG_STATE', unknownText(claim));
      return;
    }
    await write();
    done();
  } catch (error) {
    if (error instanceof BindRefusedError) session.fail(id, 'FORBIDDEN', refusedText(error, claim));
    else session.fail(id, 'LOG_UNAVAILABLE', thrownText(error));
  }
}

/**
 * Whether such a one was seen, for names that a person types. What one that is away has in other
 * shards, their leaders know: whoever asks with a name asks them before.
 */
async function isKnown(node: CoordinatorNode, claim: Claim): Promise<boolean> {
  if (node.admission.retired.has(claim)) return true;
  for (const { member } of node.participants.all()) {
    if (member !== null && concerns(claim, member)) return true;
  }
  const owners = ownersAt(node, claim.participant).known;
  if (owners.some((one) => isSameClaim(claim, one))) return true;
  return (await node.given.log.holderOf(claim)) !== null;
}

function isSameClaim(claim: Claim, { instance, sharedResource }: Owner): boolean {
  return 'instance' in claim
    ? claim.instance === instance
    : claim.sharedResource === sharedResource;
}

/** For the operator: what its process would be told is for another. */
function refusedText({ why, message }: BindRefusedError, claim: Claim): string {
  if (why !== 'retired') return message;
  const next =
    'instance' in claim
      ? 'A process with a new, empty data directory is a new instance, and belongs to the identity that it comes as.'
      : 'A shared resource of another name belongs to the identity that is the first to come with it.';
  return `The ${nameOf(claim)} was retired, for good, and can be given to no one. Nothing was done. ${next}`;
}

function nameOf(claim: Claim): string {
  return 'instance' in claim
    ? `instance ${claim.instance} of ${claim.participant}`
    : `shared resource ${claim.sharedResource} of ${claim.participant}`;
}

function unknownText(claim: Claim): string {
  return `No ${nameOf(claim)} is known: none is connected here, has work here, was retired, or is bound to an identity. Nothing was done.`;
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
