/** Asks other nodes whether they would lead, and tells one to; and what this one answers. */
import type { Successors, Willing } from '../coordinator/hand-over.ts';
import type { Leading } from '../coordinator/leading.ts';
import type { LeaderInfo, NodeInfo, TakenOver, TakeOver } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import { isVerdictError } from '../peer/verdict-error.ts';
import type { CoordinatorNode } from './node.ts';
import type { Session } from './session.ts';

/** Two attempts at etcd. */
const takeTimeoutMs = 2_000;

export type AskNode = (
  node: string,
  message: Omit<TakeOver, 'id'>,
  timeoutMs: number,
) => Promise<TakenOver>;

export function successorsOf(given: {
  readonly node: string;
  readonly nodes: () => readonly NodeInfo[];
  readonly ask: AskNode;
}): Successors {
  const { node: own, nodes, ask } = given;
  return {
    willing: async ({ shard, epoch }: LeaderInfo, timeoutMs): Promise<Willing> => {
      const others = nodes().filter(({ node }) => node !== own);
      const silent: string[] = [];
      const refused: { node: string; why: string }[] = [];
      const answers = await Promise.all(
        others.map(async ({ node }) => {
          try {
            const { participants } = await ask(
              node,
              { type: 'take-over', shard, epoch },
              timeoutMs,
            );
            return { node, participants };
          } catch (error) {
            // Whoever is busy has understood.
            if (isVerdictError(error) && error.code === 'BUSY')
              refused.push({ node, why: error.message });
            else silent.push(node);
            return null;
          }
        }),
      );
      return { nodes: answers.filter((answer) => answer !== null), refused, silent };
    },
    tell: async (node, { shard, epoch }) => {
      await ask(node, { type: 'take-over', shard, epoch, now: true }, takeTimeoutMs);
    },
  };
}

/** What a leader asks this node for: to follow it, now or in a moment. */
export async function takeOver(
  node: Pick<CoordinatorNode, 'participants'> & { readonly leading: Leading },
  session: Session,
  { id, shard, epoch, now = false }: TakeOver,
): Promise<void> {
  const { leading } = node;
  const problem = leading.refusalOf({ shard, epoch, node: session.hello?.name ?? '' });
  if (problem !== null) {
    session.fail(id, 'BUSY', problem, { retryAfterMs: 100 });
    return;
  }
  const participants = node.participants.info().length;
  if (!now) {
    session.send({ type: 'taken-over', id, participants });
    return;
  }
  try {
    const taken = await leading.follow({ shard, epoch });
    session.send({ type: 'taken-over', id, epoch: taken, participants });
  } catch (error) {
    session.fail(id, 'BUSY', thrownLine(error), { retryAfterMs: 100 });
  }
}
