/**
 * The page's connection to the node that served it, as an operator, in the text form of the wire.
 *
 *     connecting --welcome--> ready --closed--> waiting --pause over--> connecting
 *         |--refused for its credential--> locked --a credential--> connecting
 *         |--may not operate--> connecting, as a viewer
 */
import { backoffMs } from '../../core/backoff.ts';
import type { ErrorMessage, FromNode, PeerRole, Topology, Welcome } from '../../core/messages.ts';
import { thrownText } from '../../core/thrown.ts';

export type Role = Extract<PeerRole, 'operator' | 'viewer'>;

export type LinkState =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'ready'; readonly role: Role }
  | { readonly phase: 'waiting'; readonly why: string }
  /** `why`: of what was shown; empty: nothing was. */
  | { readonly phase: 'locked'; readonly why: string };

/** What a node answered instead of what was asked for, or that it did not answer. */
export class AskError extends Error {
  readonly code: string;
  readonly leader: ErrorMessage['leader'];

  constructor(code: string, message: string, leader?: ErrorMessage['leader']) {
    super(message);
    this.code = code;
    this.leader = leader;
  }
}

export interface LinkEvents {
  readonly state: (state: LinkState) => void;
  readonly topology: (topology: Pick<Topology, 'leaders' | 'nodes'>) => void;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: AskError) => void;
  readonly timer: number;
}

export type Reply = { readonly type: string; readonly id: number } & Record<string, unknown>;

const delays = { retryDelayMs: 250, maxRetryDelayMs: 5_000 };
const greetingMs = 8_000;
const askMs = 6_000;

export class Link {
  readonly #url: string;
  readonly #events: LinkEvents;
  readonly #instance = crypto.getRandomValues(new Uint32Array(3)).join('-');
  readonly #waiting = new Map<number, Waiting>();
  #socket: WebSocket | null = null;
  #state: LinkState = { phase: 'connecting' };
  #welcome: Welcome | null = null;
  #role: Role = 'operator';
  #onlyLooks = false;
  #credential: string | null = null;
  #lastId = 0;
  #failures = 0;
  #timer: number | undefined;

  constructor(url: string, events: LinkEvents) {
    this.#url = url;
    this.#events = events;
  }

  get welcome(): Welcome | null {
    return this.#welcome;
  }

  /** `credential`: a token or a JWT. Ends the connection that there is. */
  open(credential: string | null = this.#credential, onlyLooks: boolean = this.#onlyLooks): void {
    this.#credential = credential;
    this.#onlyLooks = onlyLooks;
    this.#role = onlyLooks ? 'viewer' : 'operator';
    this.#failures = 0;
    this.#dial();
  }

  /** Rejects with an AskError. */
  ask<T>(message: { readonly type: string } & Record<string, unknown>): Promise<T> {
    const socket = this.#socket;
    if (this.#state.phase !== 'ready' || socket === null) {
      return Promise.reject(new AskError('OFFLINE', 'There is no connection to the node.'));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new AskError('TIMEOUT', 'The node did not answer in time.'));
      }, askMs);
      this.#waiting.set(id, { resolve, reject, timer });
      socket.send(`${JSON.stringify({ ...message, id })}\n`);
    }) as Promise<T>;
  }

  #dial(): void {
    clearTimeout(this.#timer);
    this.#drop();
    this.#enter({ phase: 'connecting' });
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, 'verdict.v1');
    } catch (error) {
      this.#again(thrownText(error));
      return;
    }
    this.#socket = socket;
    const isCurrent = (): boolean => this.#socket === socket;
    this.#timer = setTimeout(() => {
      if (isCurrent()) this.#again('The node does not answer.');
    }, greetingMs);
    socket.onopen = () => {
      if (!isCurrent()) return;
      const token = this.#credential === null ? {} : { token: this.#credential };
      const hello = { type: 'hello', protocol: 1, name: 'verdict-console', ...token };
      const said = { ...hello, instance: this.#instance, roles: [this.#role] };
      socket.send(`${JSON.stringify(said)}\n`);
    };
    socket.onmessage = ({ data }) => {
      if (isCurrent() && typeof data === 'string') this.#frame(data);
    };
    socket.onclose = ({ reason }) => {
      if (isCurrent()) this.#again(reason === '' ? 'The connection ended.' : reason);
    };
  }

  #frame(frame: string): void {
    for (const line of frame.split('\n')) {
      if (line === '') continue;
      try {
        this.#message(JSON.parse(line) as FromNode);
      } catch {
        // What cannot be read is as if it had not come: whoever waits for it hears so.
      }
    }
  }

  #message(message: FromNode): void {
    if (this.#state.phase !== 'ready') {
      if (message.type === 'welcome') this.#greeted(message);
      else if (message.type === 'error') this.#refused(message);
      return;
    }
    if (message.type === 'topology') {
      if (this.#welcome !== null) {
        const { leaders, nodes } = message;
        this.#welcome = { ...this.#welcome, leaders, nodes };
      }
      this.#events.topology(message);
      return;
    }
    if (message.type === 'error' && message.id === undefined) {
      if (message.code === 'UNAUTHENTICATED' || message.code === 'FORBIDDEN')
        this.#refused(message);
      return;
    }
    if (!('id' in message) || message.id === undefined) return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.type === 'error') {
      waiting.reject(new AskError(message.code, message.message, message.leader));
    } else {
      waiting.resolve(message as unknown as Reply);
    }
  }

  #greeted(welcome: Welcome): void {
    clearTimeout(this.#timer);
    this.#failures = 0;
    this.#welcome = welcome;
    this.#enter({ phase: 'ready', role: this.#role });
    this.#events.topology(welcome);
  }

  #refused({ code, message }: ErrorMessage): void {
    if (code === 'FORBIDDEN' && this.#role === 'operator' && this.#state.phase !== 'ready') {
      this.#role = 'viewer';
      this.#dial();
      return;
    }
    if (code !== 'UNAUTHENTICATED' && code !== 'FORBIDDEN') {
      this.#again(message);
      return;
    }
    const hadNone = this.#credential === null && code === 'UNAUTHENTICATED';
    this.#credential = null;
    this.#drop();
    this.#enter({ phase: 'locked', why: hadNone ? '' : message });
  }

  #again(why: string): void {
    this.#drop();
    this.#failures += 1;
    this.#enter({ phase: 'waiting', why });
    const fraction = (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
    this.#timer = setTimeout(() => this.#dial(), backoffMs(this.#failures, delays, fraction));
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#timer);
    if (socket !== null) {
      socket.onopen = null;
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new AskError('OFFLINE', 'The connection ended before the answer.'));
    }
    this.#waiting.clear();
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.#events.state(state);
  }
}
