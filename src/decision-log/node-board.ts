import type { NodeInfo } from '../core/messages.ts';

type Listener = (nodes: readonly NodeInfo[]) => void;

/** Which nodes are up, for everyone in this process who wants to hear of changes. */
export class NodeBoard {
  readonly #listeners = new Set<Listener>();
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
    if (sameNodes(sorted, this.#nodes)) return;
    this.#nodes = sorted;
    for (const listener of [...this.#listeners]) listener(sorted);
  }

  watch(listener: Listener): () => void {
    const own: Listener = (nodes) => listener(nodes);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}

function sameNodes(a: readonly NodeInfo[], b: readonly NodeInfo[]): boolean {
  return (
    a.length === b.length &&
    a.every((node, index) => node.node === b[index]?.node && node.url === b[index]?.url)
  );
}
