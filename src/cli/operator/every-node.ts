/**
 * All nodes of a cluster at once, each asked for itself: what only looks at them has to see one
 * that is gone, and none may hold up what the others say. A node that cannot be dialled from here
 * is asked through another.
 */
import type { LeaderInfo, NodeInfo, StatsReply, Welcome } from '../../core/messages.ts';
import { thrownLine } from '../../core/thrown.ts';
import { jwtSourceOf } from '../../peer/credentials.ts';
import type { Link } from '../../peer/link.ts';
import { Nodes } from '../../peer/nodes.ts';
import type { ReplyTo, RequestWithoutId } from '../../peer/requests.ts';
import { advertisedUrl, nodeUrl } from '../../peer/url.ts';
import type { VerdictError } from '../../peer/verdict-error.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { webSocketDialer } from '../../transport/websocket/connect.ts';
import { readers } from '../../wire/readers.ts';
import { dialCredential } from '../credential.ts';
import { usableTls } from '../dial-files.ts';
import type { ConnectionFlags } from '../options.ts';
import { unreachable } from '../unreachable.ts';
import { AskedRole } from './asked-role.ts';
import { Changes } from './changes.ts';

export interface Answered<Reply> {
  readonly node: string;
  readonly url: string;
  /** Null: it gave none. */
  readonly reply: Reply | null;
  /** Why not. */
  readonly problem: string | null;
  /** By this side's monotonic clock. */
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

type Asked = 'info' | 'stats' | 'config';

/** For a dial and its greeting: a node that stands still takes the one and never the other. */
const connectTimeoutMs = 3_000;
const tooOldText =
  'It runs a version that keeps no figures. Upgrade it, or ask it with: verdict status';

export class EveryNode {
  readonly #flags: ConnectionFlags;
  readonly #hasTls: boolean;
  readonly #nodes: Nodes;
  /** By name, also those that left. */
  readonly #known = new Map<string, NodeInfo>();
  readonly #failures = new Map<string, string>();
  #cluster = '';
  #refusal: VerdictError | null = null;
  readonly #role = new AskedRole();
  readonly #changes = new Changes();

  constructor(flags: ConnectionFlags) {
    const { url: urls } = flags;
    const tls = usableTls(flags, urls);
    this.#hasTls = tls !== undefined;
    this.#flags = flags;
    const instance = systemRandom.token(13);
    const credential = dialCredential(flags);
    this.#nodes = new Nodes({
      urls,
      tls: this.#hasTls,
      reach: 'every',
      token: credential.token,
      jwt: jwtSourceOf(credential),
      link: {
        dialer: webSocketDialer({ clock: systemClock, readers: readers['from-node'], tls }),
        clock: systemClock,
        random: systemRandom,
        connectTimeoutMs: Math.min(connectTimeoutMs, flags.timeout),
        hello: () => ({ name: 'verdict-cli', instance, roles: this.#role.roles }),
      },
      events: {
        welcome: (link, welcome) => this.#welcomed(link, welcome),
        message: (_link, message) => {
          if (message.type === 'topology') this.#learn(message.nodes);
        },
        changed: () => this.#changes.tell(),
        lost: (link, info) => this.#failed(link.url, info.reason === '' ? info.kind : info.reason),
        failed: (link, info) => {
          if (this.#role.failed(link)) return;
          this.#failed(link.url, info.reason === '' ? info.kind : info.reason);
        },
        withoutTls: ({ url }, problem) => this.#failed(url, problem),
        refused: (link, error) => {
          const denial = this.#role.refused(link, error);
          if (denial === null) return;
          this.#refusal = denial;
          this.#failed(link.url, denial.message);
        },
      },
    });
  }

  get cluster(): string {
    return this.#cluster;
  }

  get shards(): number {
    return this.#nodes.shards;
  }

  /** Of each shard; null: no one is known to lead it. */
  leaders(): readonly (LeaderInfo | null)[] {
    return Array.from({ length: this.#nodes.shards }, (_, shard) => this.#nodes.leader(shard));
  }

  /** The given addresses at which no node has answered yet, and why. */
  silent(): readonly { readonly url: string; readonly problem: string }[] {
    const answered = new Set([...this.#known.values()].flatMap(({ url }) => urlOf(url)));
    return this.#flags.url.flatMap((given) => {
      const url = nodeUrl(given, this.#hasTls);
      const link = this.#nodes.links.find((each) => each.url === url);
      // A second address of a node that is reached by another one is not kept open.
      if (link === undefined || link.connected || answered.has(url) || this.#welcomes.has(url)) {
        return [];
      }
      return [{ url: given, problem: this.#failures.get(url) ?? 'no answer' }];
    });
  }

  readonly #welcomes = new Set<string>();

  /** Waits for a first node; then until each that is known of is reached, or was tried. */
  async connect(): Promise<void> {
    const deadlineMs = systemClock.monotonicMs() + this.#flags.timeout;
    const given = this.#flags.url.map((url) => nodeUrl(url, this.#hasTls));
    this.#nodes.start();
    while (this.#nodes.connected().length === 0) {
      const leftMs = deadlineMs - systemClock.monotonicMs();
      if (leftMs <= 0 || given.every((url) => this.#failures.has(url))) {
        if (this.#refusal !== null) throw this.#refusal;
        throw unreachable(this.#flags.url, this.#failures, {
          timeoutMs: this.#flags.timeout,
          tls: this.#hasTls,
        });
      }
      await this.#changes.wait(leftMs);
    }
    const untilMs = Math.min(deadlineMs, systemClock.monotonicMs() + connectTimeoutMs);
    while (!this.#isSettled()) {
      const leftMs = untilMs - systemClock.monotonicMs();
      if (leftMs <= 0) return;
      await this.#changes.wait(leftMs);
    }
  }

  /** Each known node, by name, also those that are gone. Never rejects. */
  ask<Type extends Asked>(type: Type, timeoutMs: number): Promise<Answered<ReplyTo[Type]>[]> {
    const nodes = [...this.#known.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
    return Promise.all(nodes.map((node) => this.#askOne(type, node, timeoutMs)));
  }

  close(): Promise<void> {
    return this.#nodes.close();
  }

  async #askOne<Type extends Asked>(
    type: Type,
    { node, url }: NodeInfo,
    timeoutMs: number,
  ): Promise<Answered<ReplyTo[Type]>> {
    const sentAtMs = systemClock.monotonicMs();
    const answered = (reply: ReplyTo[Type] | null, problem: string | null) => {
      return { node, url, reply, problem, sentAtMs, receivedAtMs: systemClock.monotonicMs() };
    };
    const own = this.#nodes.linkTo(node);
    const link = own ?? (type === 'config' ? null : this.#through(node));
    if (link === null) return answered(null, this.#problemOf(url));
    // It came with the same version.
    if (type === 'stats' && link.welcome?.understands?.includes('explain') !== true) {
      return answered(null, tooOldText);
    }
    const message = { type, ...(own === null && { at: node }) } as RequestWithoutId;
    try {
      const reply = (await link.request(message, { timeoutMs })) as ReplyTo[Type];
      // A node that hands nothing on answers itself.
      const isOther = 'node' in reply && reply.node !== node;
      return isOther ? answered(null, this.#problemOf(url)) : answered(reply, null);
    } catch (error) {
      return answered(null, own === null ? this.#problemOf(url) : thrownLine(error));
    }
  }

  /** Another one, which may have a link to it. */
  #through(node: string): Link | null {
    const able = this.#nodes
      .connected()
      .filter(({ welcome }) => welcome?.understands?.includes('explain'));
    return able.find(({ welcome }) => welcome?.node !== node) ?? null;
  }

  #problemOf(url: string): string {
    const dialled = urlOf(url)[0];
    return (dialled === undefined ? undefined : this.#failures.get(dialled)) ?? 'no connection';
  }

  #welcomed(link: Link, { node, nodes, cluster }: Welcome): void {
    this.#cluster = cluster;
    this.#welcomes.add(link.url);
    this.#failures.delete(link.url);
    this.#learn(nodes);
    if (!this.#known.has(node)) this.#known.set(node, { node, url: link.url });
  }

  #learn(nodes: readonly NodeInfo[]): void {
    for (const each of nodes) this.#known.set(each.node, each);
  }

  #isSettled(): boolean {
    const known = [...this.#known.values()].every(
      ({ node, url }) =>
        this.#nodes.linkTo(node) !== null ||
        urlOf(url).length === 0 ||
        urlOf(url).some((each) => this.#failures.has(each)),
    );
    return known && this.silent().every(({ problem }) => problem !== 'no answer');
  }

  #failed(url: string, problem: string): void {
    this.#failures.set(url, problem);
    this.#changes.tell();
  }
}

function urlOf(url: string): string[] {
  const dialled = advertisedUrl({ url });
  return dialled === null ? [] : [dialled];
}

/** What `top` is made of. */
export type StatsAnswer = Answered<StatsReply>;
