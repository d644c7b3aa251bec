/**
 * Whether the nodes of a cluster let peers in by the same rules. Each says in its entry by which:
 * one that was started without the access file is a door beside it. A warning alone: rules are
 * changed node by node, and nodes of before do not say.
 */
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';

/** `open`; `shared`: by what all have in common; else the print of an access file. */
export type AccessPrint = string;

export interface AlikeOptions {
  readonly node: string;
  /** Of this node; absent: it does not say. */
  readonly own: () => AccessPrint | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Entry {
  readonly node: string;
  readonly access?: AccessPrint;
}

/** A new access file comes to the nodes one after the other. */
const patienceMs = 60_000;

export class Alike {
  readonly #options: AlikeOptions;
  #problem: string | null = null;
  #differSinceMs: number | null = null;

  constructor(options: AlikeOptions) {
    this.#options = options;
  }

  /** Null: they are, as far as they say. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Of all nodes, as often as they are read. */
  seen(entries: readonly Entry[]): void {
    const { logger } = this.#options;
    const problem = this.#judge(this.#byPrint(entries));
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem === null) logger.info({}, 'All nodes let peers in by the same rules now.');
    else logger.warn({ event: 'access-differs' }, problem);
  }

  #byPrint(entries: readonly Entry[]): ReadonlyMap<AccessPrint, readonly string[]> {
    const { node, own } = this.#options;
    const others = entries.filter((entry) => entry.node !== node);
    const nodes = new Map<AccessPrint, string[]>();
    for (const { node: name, access } of [{ node, access: own() }, ...others]) {
      if (access !== undefined) nodes.set(access, [...(nodes.get(access) ?? []), name].sort());
    }
    return nodes;
  }

  #judge(nodes: ReadonlyMap<AccessPrint, readonly string[]>): string | null {
    const open = nodes.get('open') ?? [];
    const shared = nodes.get('shared') ?? [];
    const files = [...nodes].filter(([print]) => print !== 'open' && print !== 'shared');
    const withFile = files.flatMap(([, names]) => names);
    if (files.length < 2) this.#differSinceMs = null;
    const without = [...open, ...shared].sort();
    if (withFile.length > 0 && without.length > 0) {
      return `Not all nodes have an access file: ${listed(withFile)} have one, ${listed(without)} have none, and whoever these let in may do everything at them. Start every node with the same --access-file.`;
    }
    if (open.length > 0 && shared.length > 0) {
      return `Not all nodes ask who their peers are: ${listed(shared)} do, ${listed(open)} do not, and let everyone in. Start every node with the same --token-file or --tls-client-ca.`;
    }
    return files.length < 2 ? null : this.#judgeFiles(files.map(([, names]) => names));
  }

  #judgeFiles(groups: readonly (readonly string[])[]): string | null {
    const nowMs = this.#options.clock.monotonicMs();
    this.#differSinceMs ??= nowMs;
    if (nowMs - this.#differSinceMs < patienceMs) return null;
    const which = groups.map(listed).sort().join(' | ');
    return `The nodes have different access files for more than a minute: ${which}. Peers may do at one what another refuses. Give all the same: verdict config shows each node's.`;
  }
}

/** A cluster may be large, and this is one sentence. */
function listed(nodes: readonly string[]): string {
  const most = 5;
  const more = nodes.length - most;
  const shown = [...nodes].sort().slice(0, most).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}
