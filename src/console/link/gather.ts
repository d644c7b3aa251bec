/** Questions whose answers are spread over the nodes, each asked through the page's own node. */
import type { InfoReply, LocksReply, NodeInfo, TransactionStatus } from '../../core/messages.ts';
import { thrownText } from '../../core/thrown.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import { leaderlessIn, leadersIn, leadersNow, nodesIn } from '../model/nodes.ts';
import { isTooOld } from '../model/seam.ts';
import { AskError, type Link } from './link.ts';

/** Who did not answer, and why; what is shown is without theirs. */
export interface Missing {
  readonly node: string;
  readonly url: string | null;
  readonly why: string;
}

export interface Gathered<T> {
  readonly replies: readonly { readonly node: string; readonly reply: T }[];
  readonly missing: readonly Missing[];
}

export async function gather<T extends object>(
  link: Link,
  nodes: readonly NodeInfo[],
  question: { readonly type: string } & Record<string, unknown>,
): Promise<Gathered<T>> {
  const own = link.welcome?.node;
  const replies: { node: string; reply: T }[] = [];
  const missing: Missing[] = [];
  await Promise.all(
    nodes.map(async ({ node, url }) => {
      try {
        const reply = await link.ask<T>(node === own ? question : { ...question, at: node });
        const answered = 'node' in reply ? reply.node : node;
        // One that is too old to hand it on answers for itself.
        if (answered === node) replies.push({ node, reply });
        else missing.push({ node, url, why: tooOld });
      } catch (error) {
        missing.push({ node, url, why: whyOf(error) });
      }
    }),
  );
  // Without any there is nothing new to show.
  const [first] = missing;
  if (replies.length === 0 && first !== undefined) throw new AskError('MISSING', first.why);
  replies.sort((a, b) => (a.node < b.node ? -1 : 1));
  return { replies, missing };
}

export const tooOld = 'This node is too old to tell.';

function whyOf(error: unknown): string {
  if (!(error instanceof AskError)) return thrownText(error);
  return isTooOld(error as never) ? tooOld : error.message;
}

export interface Listed {
  readonly transactions: readonly TransactionStatus[];
  readonly truncated: boolean;
  readonly missing: readonly Missing[];
  /** Shards that no one leads now: of these only what their last leaders had under way is there. */
  readonly leaderless: readonly number[];
}

type ListAnswer = Pick<Listed, 'transactions' | 'truncated'>;

export async function listAll(
  link: Link,
  filter: { readonly state?: string; readonly attention?: boolean; readonly limit: number },
): Promise<Listed> {
  const { replies, ...led } = await askWhoKnows<ListAnswer>(link, { type: 'list', ...filter });
  const transactions = replies.flatMap(({ reply, isFor }) =>
    reply.transactions.filter(({ txid }) => isFor(txid)),
  );
  if (replies.length > 1) transactions.sort((a, b) => a.ageMs - b.ageMs);
  return { transactions, truncated: replies.some(({ reply }) => reply.truncated), ...led };
}

export interface LocksSeen extends Pick<LocksReply, 'locks' | 'truncated'> {
  readonly missing: readonly Missing[];
  readonly leaderless: readonly number[];
}

export async function locksAll(link: Link, limit: number): Promise<LocksSeen> {
  const { replies, ...led } = await askWhoKnows<LocksReply>(link, { type: 'locks', limit });
  const locks = replies.flatMap(({ reply }) => reply.locks);
  locks.sort((a, b) => b.waiting - a.waiting);
  return { locks, truncated: replies.some(({ reply }) => reply.truncated), ...led };
}

interface Known<T> extends Pick<Listed, 'missing' | 'leaderless'> {
  readonly replies: readonly { readonly reply: T; readonly isFor: (txid: Txid) => boolean }[];
}

/**
 * Every node, for who leads may have changed, and where no one does, the last leader still knows
 * what it had under way. Of a shard that is led its leader is believed alone. That a node is not
 * heard matters where it leads, or where it may be such a last leader.
 */
async function askWhoKnows<T extends object>(
  link: Link,
  question: { readonly type: string } & Record<string, unknown>,
): Promise<Known<T>> {
  const { nodes = [], leaders: told = [] } = link.welcome ?? {};
  const all = nodesIn(nodes, told);
  const [infos, { replies, missing }] = await Promise.all([
    gather<InfoReply>(link, all, { type: 'info' }).catch(() => null),
    gather<T>(link, all, question),
  ]);
  const leaders = infos === null ? told : leadersNow(infos.replies);
  const leaderless = leaderlessIn(leaders);
  const leading = new Set(leadersIn(leaders).map(({ node }) => node));
  const answered = new Set(replies.map(({ node }) => node));
  return {
    replies: replies.map(({ node, reply }) => ({
      reply,
      isFor: (txid) => {
        const leader = leaders[shardOf(txid)]?.node ?? node;
        return leader === node || !answered.has(leader);
      },
    })),
    missing: missing.filter(({ node }) => leaderless.length > 0 || leading.has(node)),
    leaderless,
  };
}
