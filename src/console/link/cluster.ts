/** What the overview shows: each node's answers, and the figures of all of them over time. */
import type { InfoReply } from '../../core/messages.ts';
import { nodesIn } from '../model/nodes.ts';
import { difference, type Rates, ratesOf, Series } from '../model/rates.ts';
import type { Stats } from '../model/seam.ts';
import { gather, type Missing } from './gather.ts';
import type { Link } from './link.ts';

export interface ClusterView {
  readonly infos: readonly { readonly node: string; readonly reply: InfoReply }[];
  readonly missing: readonly Missing[];
  readonly stats: readonly { readonly node: string; readonly reply: Stats }[];
  readonly statsMissing: readonly Missing[];
  /** Null: not known, or not yet. */
  readonly rates: Rates | null;
  readonly throughput: readonly (readonly (number | null)[])[];
  readonly latency: readonly (readonly (number | null)[])[];
}

const maxPoints = 180;

/** One for the page: its lines go on while another view is shown. */
export class ClusterWatch {
  readonly #link: Link;
  readonly #throughput = new Series(2, maxPoints);
  readonly #latency = new Series(2, maxPoints);
  #before = new Map<string, Stats>();

  constructor(link: Link) {
    this.#link = link;
  }

  async look(): Promise<ClusterView> {
    const link = this.#link;
    const { nodes = [], leaders = [] } = link.welcome ?? {};
    const all = nodesIn(nodes, leaders);
    const infos = await gather<InfoReply>(link, all, { type: 'info' });
    const none = { replies: [], missing: [] };
    const stats = await gather<Stats>(link, all, { type: 'stats' }).catch(() => none);
    const rates = ratesOf(
      stats.replies.map(({ node, reply }) => difference(this.#before.get(node), reply)),
    );
    this.#before = new Map(stats.replies.map(({ node, reply }) => [node, reply]));
    const atSeconds = Date.now() / 1_000;
    this.#throughput.add(atSeconds, [rates?.committed ?? null, rates?.aborted ?? null]);
    this.#latency.add(atSeconds, [rates?.p50Ms ?? null, rates?.p99Ms ?? null]);
    return {
      infos: infos.replies,
      missing: infos.missing,
      stats: stats.replies,
      statsMissing: stats.missing,
      rates,
      throughput: this.#throughput.columns,
      latency: this.#latency.columns,
    };
  }
}
