/** Nodes whose every answer the test gives, on a MemoryDialer. */
import type { ErrorCode } from '../../../src/core/catalogue.ts';
import { errorCatalogue } from '../../../src/core/catalogue.ts';
import type {
  ErrorMessage,
  FromNode,
  Hello,
  LeaderInfo,
  Limits,
  ToNode,
} from '../../../src/core/messages.ts';
import type { DialAttempt, MemoryConnection, MemoryDialer } from '../network/memory-dialer.ts';
import { settle } from '../samples/manual-clock.ts';
import { leaderInfo, welcomeOf } from '../samples/messages.ts';

type Asked = Extract<ToNode, { readonly id: number }>;
type Reply = FromNode extends infer Each
  ? Each extends unknown
    ? Omit<Each, 'id'>
    : never
  : never;

/** A request that reached a node. */
export class Received<Message extends ToNode = ToNode> {
  readonly message: Message;
  readonly connection: MemoryConnection;

  constructor(message: Message, connection: MemoryConnection) {
    this.message = message;
    this.connection = connection;
  }

  reply(message: Reply): void {
    const { id } = this.message as unknown as Asked;
    this.connection.deliver({ ...message, id } as FromNode);
  }

  fail(code: ErrorCode, more: Partial<ErrorMessage> = {}): void {
    const { retryable } = errorCatalogue[code];
    this.reply({ type: 'error', code, message: `scripted ${code}`, retryable, ...more });
  }
}

export class ScriptedNode {
  readonly name: string;
  /** Refuses dials while false. */
  up = true;
  leaders: (LeaderInfo | null)[];
  /** Answers the hello with this error instead of a welcome. */
  refusal: ErrorCode | null = null;
  /** Every message but hello, forever, as it came. */
  readonly all: ToNode[] = [];
  readonly hellos: Hello[] = [];
  readonly connections: MemoryConnection[] = [];
  readonly #waiting: Received[] = [];

  /** Told in its welcome, where they are not the usual ones. */
  limits: Limits | null = null;

  constructor(name: string, options: { leaders?: (LeaderInfo | null)[] } = {}) {
    this.name = name;
    this.leaders = options.leaders ?? [leaderInfo(name)];
  }

  /** Takes a dial. */
  accept(attempt: DialAttempt, nodes: readonly string[]): void {
    const connection = attempt.accept();
    this.connections.push(connection);
    connection.onSent = (message) => {
      if (message.type === 'hello') {
        this.hellos.push(message);
        this.#greet(connection, nodes);
      } else {
        this.all.push(message);
        this.#waiting.push(new Received(message, connection));
      }
    };
  }

  get connected(): boolean {
    return this.connections.some((connection) => connection.open);
  }

  /** The next message, which must be of this type. */
  async next<Type extends ToNode['type']>(
    type: Type,
  ): Promise<Received<Extract<ToNode, { readonly type: Type }>>> {
    await settle();
    const received = this.#waiting.shift();
    if (received?.message.type !== type) {
      throw new Error(
        `${this.name} expected ${type}, but got ${received?.message.type ?? 'nothing'}.`,
      );
    }
    return received as Received<Extract<ToNode, { readonly type: Type }>>;
  }

  /** How many messages wait to be looked at. */
  async waiting(): Promise<number> {
    await settle();
    return this.#waiting.length;
  }

  /** Ends every connection, as a killed process does. */
  kill(): void {
    this.up = false;
    this.#waiting.length = 0;
    for (const connection of this.connections) connection.drop();
  }

  tell(message: FromNode): void {
    for (const connection of this.connections) connection.deliver(message);
  }

  #greet(connection: MemoryConnection, nodes: readonly string[]): void {
    if (this.refusal !== null) {
      connection.deliver({ type: 'error', code: this.refusal, message: 'no', retryable: false });
      return;
    }
    const { name, leaders } = this;
    connection.deliver(
      welcomeOf(name, {
        shards: leaders.length,
        leaders,
        ...(this.limits === null ? {} : { limits: this.limits }),
        nodes: nodes.map((node) => ({ node, url: `ws://${node}:7070/v1` })),
      }),
    );
  }
}

/** Dials go to the node that the host is named after; to any other host, to no one. */
export function serveNodes(dialer: MemoryDialer, nodes: readonly ScriptedNode[]): void {
  const names = nodes.map((node) => node.name);
  dialer.onAttempt = (attempt) => {
    const host = new URL(attempt.options.url).hostname;
    const node = nodes.find((each) => each.name === host);
    if (node?.up) node.accept(attempt, names);
    else attempt.refuse();
  };
}
