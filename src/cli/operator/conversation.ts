/**
 * An operator's conversation with a cluster: connections to its nodes, and requests. A request is
 * repeated while the answer is "not here" or "not now", until the command's time-out. Every request
 * of an operator may be repeated: the second time it finds its work done.
 */
import type { LeaderInfo, NodeInfo } from '../../core/messages.ts';
import { shardOf, type Txid } from '../../core/txid.ts';
import { jwtSourceOf } from '../../peer/credentials.ts';
import type { Link } from '../../peer/link.ts';
import { Nodes } from '../../peer/nodes.ts';
import type { ReplyTo, RequestType, RequestWithoutId } from '../../peer/requests.ts';
import { advertisedUrl, nodeUrl } from '../../peer/url.ts';
import { isRequestRetryable, isVerdictError, VerdictError } from '../../peer/verdict-error.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { webSocketDialer } from '../../transport/websocket/connect.ts';
import { readers } from '../../wire/readers.ts';
import { usageError } from '../command-error.ts';
import { dialCredential } from '../credential.ts';
import { usableTls } from '../dial-files.ts';
import type { ConnectionFlags } from '../options.ts';
import { harmless } from '../text.ts';
import { unreachable } from '../unreachable.ts';
import { AskedRole } from './asked-role.ts';
import { Changes } from './changes.ts';
import { olderNode } from './operator-errors.ts';

/** What to wait for where a node says "not now" and names no time. */
const retryDelayMs = 100;

/** For the others to hear of a node that was just started. */
const newcomerMs = 1_000;

export interface Asking {
  /** Not asked again after it. */
  readonly isFinal?: (error: VerdictError) => boolean;
  /** The longest for one try. */
  readonly tryMs?: number;
  /** What to say where no one could be asked; null: what was tried. */
  readonly noAnswer?: () => VerdictError | null;
}

export class Conversation {
  readonly #flags: ConnectionFlags;
  readonly #hasTls: boolean;
  /** Who leads, and the connections. */
  readonly nodes: Nodes;
  readonly #deadlineMs: number;
  /** Why each address could not be reached, the last time. */
  readonly #failures = new Map<string, string>();
  /** The nodes that are up, as one of them last told. */
  #told: readonly NodeInfo[] = [];
  #refusal: VerdictError | null = null;
  readonly #role = new AskedRole();
  /** Of connections, failures and who leads. */
  readonly changes: Changes = new Changes();

  /** `reach`: to which nodes it is connected. */
  constructor(flags: ConnectionFlags, reach: 'every' | 'leaders') {
    const { url: urls, timeout: timeoutMs } = flags;
    const tls = usableTls(flags, urls);
    this.#hasTls = tls !== undefined;
    this.#flags = flags;
    this.#deadlineMs = systemClock.monotonicMs() + timeoutMs;
    const instance = systemRandom.token(13);
    const credential = dialCredential(flags);
    this.nodes = new Nodes({
      urls,
      tls: this.#hasTls,
      reach,
      token: credential.token,
      jwt: jwtSourceOf(credential),
      link: {
        dialer: webSocketDialer({ clock: systemClock, readers: readers['from-node'], tls }),
        clock: systemClock,
        random: systemRandom,
        connectTimeoutMs: timeoutMs,
        hello: () => ({ name: 'verdict-cli', instance, roles: this.#role.roles }),
      },
      events: {
        welcome: (_link, { nodes }) => this.#learn(nodes),
        message: (_link, message) => {
          if (message.type === 'topology') this.#learn(message.nodes);
        },
        changed: () => this.changes.tell(),
        failed: (link, info) => {
          if (this.#role.failed(link)) return;
          this.#failures.set(link.url, info.reason === '' ? info.kind : info.reason);
          this.changes.tell();
        },
        withoutTls: ({ url }, problem) => this.#failures.set(url, problem),
        refused: (link, error) => {
          this.#refusal = this.#role.refused(link, error) ?? this.#refusal;
          this.changes.tell();
        },
      },
    });
  }

  /** Waits for a first node. Fails as soon as every given address has failed once. */
  async connect(): Promise<void> {
    const given = this.#flags.url.map((url) => nodeUrl(url, this.#hasTls));
    this.nodes.start();
    while (this.nodes.connected().length === 0) {
      if (this.#refusal !== null) throw this.#refusal;
      if (given.every((url) => this.#failures.has(url)) || this.leftMs() <= 0) {
        throw unreachable(this.#flags.url, this.#failures, {
          timeoutMs: this.#flags.timeout,
          tls: this.#hasTls,
        });
      }
      await this.changes.wait(this.leftMs());
    }
  }

  /**
   * Of the nodes that are up, once each given address was tried. Sooner where `wanted`, or a second
   * one, is among them.
   */
  async nodeNames(wanted?: string): Promise<string[]> {
    const untilMs = systemClock.monotonicMs() + newcomerMs;
    for (;;) {
      const names = this.#names();
      if (wanted === undefined ? names.length > 1 : names.includes(wanted)) return names;
      const wantedMs = this.#isSettled() ? untilMs - systemClock.monotonicMs() : this.leftMs();
      const waitMs = Math.ceil(Math.min(wantedMs, this.leftMs()));
      if (waitMs <= 0) return names;
      await this.changes.wait(waitMs);
    }
  }

  /** The given address that reaches that node; null: none, of those that answer within a second. */
  async givenAddress(node: string): Promise<string | null> {
    const untilMs = systemClock.monotonicMs() + Math.min(newcomerMs, this.leftMs());
    while (this.nodes.linkTo(node) === null && !this.#isSettled()) {
      const waitMs = Math.ceil(untilMs - systemClock.monotonicMs());
      if (waitMs <= 0) break;
      await this.changes.wait(waitMs);
    }
    const reached = this.nodes.linkTo(node)?.url;
    return this.#flags.url.find((url) => nodeUrl(url, this.#hasTls) === reached) ?? null;
  }

  /** Throws where no node has that name, and says which names there are. */
  async requireNode(name: string): Promise<void> {
    const names = await this.nodeNames(name);
    if (names.includes(name)) return;
    const text =
      names.length === 0
        ? `No node named ${harmless(name)} answers.`
        : `There is no node ${harmless(name)}: those that are up are ${names.map(harmless).join(', ')}.`;
    throw usageError(`${text} Nothing was done.`);
  }

  close(): Promise<void> {
    return this.nodes.close();
  }

  /** `findLink`: whom to ask now; null: wait for a change. */
  async ask<Type extends RequestType>(
    message: Extract<RequestWithoutId, { type: Type }>,
    findLink: () => Link | null,
    how: Asking = {},
  ): Promise<ReplyTo[Type]> {
    const { isFinal = () => false, tryMs = Number.POSITIVE_INFINITY } = how;
    let last: VerdictError | null = null;
    for (;;) {
      if (this.#refusal !== null && this.nodes.connected().length === 0) throw this.#refusal;
      const leftMs = this.leftMs();
      if (leftMs <= 0) throw last ?? how.noAnswer?.() ?? this.#noAnswer(message.type);
      const link = findLink();
      if (link === null) {
        await this.changes.wait(leftMs);
        continue;
      }
      try {
        return (await link.request(message, {
          timeoutMs: Math.min(leftMs, tryMs),
          leader: 'txid' in message ? this.#leader(message.txid) : undefined,
        })) as ReplyTo[Type];
      } catch (error) {
        if (!isRequestRetryable(error)) throw this.#refusalOf(error, message.type);
        if (isFinal(error)) throw error;
        last = error;
        await this.changes.wait(Math.min(this.leftMs(), error.retryAfterMs ?? retryDelayMs));
      }
    }
  }

  /** Whether each node that is up is connected, or was tried. */
  isReached(): boolean {
    return this.#told.every((each) => {
      const url = advertisedUrl(each);
      const isTried = url === null || this.#failures.has(url);
      return isTried || this.nodes.linkTo(each.node) !== null;
    });
  }

  /** Where that node did not answer in time. */
  unheard(node: string): VerdictError {
    const url = this.#told.find((each) => each.node === node)?.url;
    const at = url === undefined ? '' : ` at ${url}`;
    const text = `${node}${at} could not be reached from here within ${this.#flags.timeout} ms.${this.#tried()} Name an address of it with --url, or give more time with --timeout.`;
    return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'nothing' });
  }

  /** Until the time-out of the command; 0 or less: it is over. */
  leftMs(): number {
    return Math.ceil(this.#deadlineMs - systemClock.monotonicMs());
  }

  #refusalOf(error: unknown, type: RequestType): unknown {
    if (!isVerdictError(error)) return error;
    // So it says of what came with a later version.
    const isOlder = error.code === 'INVALID_MESSAGE' && /no message of type/.test(error.message);
    return isOlder ? olderNode(type, error) : this.#role.explained(error, type);
  }

  #leader(txid: Txid): LeaderInfo | undefined {
    return this.nodes.leader(shardOf(txid)) ?? undefined;
  }

  #learn(nodes: readonly NodeInfo[]): void {
    this.#told = nodes;
  }

  /** Of the nodes that are up, sorted. */
  #names(): string[] {
    const told = this.#told.map(({ node }) => node);
    const reached = this.nodes.connected().flatMap(({ welcome }) => welcome?.node ?? []);
    return [...new Set([...told, ...reached])].sort();
  }

  /** Each given address was reached or tried: whoever is not known of by now is not there. */
  #isSettled(): boolean {
    const links = this.nodes.links;
    return this.#flags.url.every((given) => {
      const url = nodeUrl(given, this.#hasTls);
      const link = links.find((each) => each.url === url);
      return link === undefined || link.connected || this.#failures.has(url);
    });
  }

  #tried(): string {
    return [...this.#failures].map(([url, why]) => ` ${url}: ${why}.`).join('');
  }

  #noAnswer(type: string): VerdictError {
    const text = `No leader could be asked for ${type} within ${this.#flags.timeout} ms.${this.#tried()} Ask \`verdict status\` who leads, or give more time with --timeout.`;
    return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'nothing' });
  }
}
