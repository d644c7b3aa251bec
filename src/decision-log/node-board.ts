import { isDeepStrictEqual } from 'node:util';
import type { NodeInfo } from '../core/messages.ts';
import { Listeners } from './listeners.ts';

/** Which nodes are up, for everyone in this process who wants to hear of changes. */
export class NodeBoard extends Listeners<readonly NodeInfo[]> {
  #nodes: readonly NodeInfo[] = [];

  nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  join(node: NodeInfo): void {
    this.publish([...this.#nodes.filter((other) => other.node !== node.node), node]);
  }

  leave(node: string): void {
    this.publish(this.#nodes.filter((other) => other.node !== node));
  }

  publish(nodes: readonly NodeInfo[]): void {
    const sorted = [...nodes].sort((a, b) => (a.node < b.node ? -1 : 1));
    if (isDeepStrictEqual(sorted, this.#nodes)) return;
    this.#nodes = sorted;
    this.tell(sorted);
  }
}
