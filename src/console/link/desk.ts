/** What all parts of the page share: the connection, the topology, and whether it is fresh. */
import type { LeaderInfo, NodeInfo } from '../../core/messages.ts';
import { Link, type LinkState } from './link.ts';

export interface DeskState {
  readonly link: LinkState;
  readonly node: string;
  readonly cluster: string;
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly nodes: readonly NodeInfo[];
  /** When the connection was lost, by the page's clock; null: it stands, or never stood. */
  readonly staleSinceMs: number | null;
}

const kept = 'verdict-console-credential';

export class Desk {
  readonly link: Link;
  state: DeskState = {
    link: { phase: 'connecting' },
    node: '',
    cluster: '',
    leaders: [],
    nodes: [],
    staleSinceMs: null,
  };
  readonly #listeners = new Set<() => void>();

  constructor(url: string) {
    this.link = new Link(url, {
      state: (link) => this.#entered(link),
      topology: ({ leaders, nodes }) => this.#change({ leaders, nodes }),
    });
  }

  start(): void {
    this.link.open(sessionStorage.getItem(kept));
  }

  /** `keep`: in this tab, until it is closed. Else it is gone with the page. */
  signIn(
    credential: string,
    options: { readonly keep: boolean; readonly onlyLook: boolean },
  ): void {
    if (options.keep) sessionStorage.setItem(kept, credential);
    else sessionStorage.removeItem(kept);
    this.link.open(credential === '' ? null : credential, options.onlyLook);
  }

  signOut(): void {
    sessionStorage.removeItem(kept);
    location.reload();
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #entered(link: LinkState): void {
    const wasReady = this.state.link.phase === 'ready';
    if (link.phase === 'ready') {
      const { node = '', cluster = '' } = this.link.welcome ?? {};
      this.#change({ link, node, cluster, staleSinceMs: null });
    } else if (wasReady) {
      this.#change({ link, staleSinceMs: Date.now() });
    } else {
      if (link.phase === 'locked') sessionStorage.removeItem(kept);
      this.#change({ link });
    }
  }

  #change(change: Partial<DeskState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
