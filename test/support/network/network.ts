/**
 * Hosts with a network of their own on this machine: a network namespace each, a link each to a
 * router in one more, and nothing to the world outside. What the router is told to swallow is gone
 * without a word, as on a broken path.
 *
 * Needs root and iproute2. Everything has a prefix of its own and goes with `remove`, or at the
 * latest with this process.
 */
import { execFileSync } from 'node:child_process';
import process from 'node:process';

/** Addresses exist inside the namespaces alone. Each host has a subnet of four. */
const subnet = '10.231';
const maxHosts = 60;

let serial = 0;
const standing = new Set<Network>();
process.once('exit', () => {
  for (const network of standing) network.remove();
});

export class Network {
  readonly #prefix: string;
  readonly #hosts = new Map<string, number>();
  readonly #rules = new Set<string>();

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Throws an Error that says why, where this user or this kernel cannot make one. */
  static of(...hosts: readonly string[]): Network {
    if (hosts.length > maxHosts) throw new RangeError(`${maxHosts} hosts at most.`);
    serial += 1;
    const network = new Network(`verdict-${process.pid}-${serial}`);
    standing.add(network);
    try {
      network.#build(hosts);
    } catch (error) {
      network.remove();
      throw error;
    }
    return network;
  }

  /** Null where namespaces can be had, else why not. */
  static problem(): string | null {
    if (process.getuid?.() !== 0) return 'network namespaces need root';
    try {
      Network.of('a', 'b').remove();
      return null;
    } catch (error) {
      return `network namespaces need iproute2 and a kernel that has them: ${String(error)}`;
    }
  }

  address(host: string): string {
    return `${subnet}.${this.#at(host)}.2`;
  }

  /** What to run a command on that host by. */
  on(host: string): readonly string[] {
    this.#at(host);
    return ['ip', 'netns', 'exec', this.#namespace(host)];
  }

  /** From now on nothing that one of these sends reaches one of those. */
  swallow(froms: readonly string[], tos: readonly string[]): void {
    for (const from of froms) {
      for (const to of tos) {
        if (from === to) continue;
        const rule = `from ${this.address(from)} to ${this.address(to)}`;
        if (this.#rules.has(rule)) continue;
        this.#rules.add(rule);
        ip('-n', this.#router, 'rule', 'add', ...rule.split(' '), 'blackhole');
      }
    }
  }

  /** Both ways. */
  cut(these: readonly string[], those: readonly string[]): void {
    this.swallow(these, those);
    this.swallow(those, these);
  }

  /** Off the network altogether. */
  isolate(host: string): void {
    this.cut([host], [...this.#hosts.keys()]);
  }

  heal(): void {
    for (const rule of this.#rules)
      ip('-n', this.#router, 'rule', 'del', ...rule.split(' '), 'blackhole');
    this.#rules.clear();
  }

  /** What runs on a host goes on running, without a network: end it before. */
  remove(): void {
    standing.delete(this);
    for (const namespace of [
      this.#router,
      ...[...this.#hosts.keys()].map((host) => this.#namespace(host)),
    ]) {
      try {
        // Its links go with it.
        ip('netns', 'del', namespace);
      } catch {
        // Was never made.
      }
    }
    this.#hosts.clear();
  }

  #build(hosts: readonly string[]): void {
    const router = this.#router;
    ip('netns', 'add', router);
    ip('-n', router, 'link', 'set', 'lo', 'up');
    ip('netns', 'exec', router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    for (const [index, host] of hosts.entries()) {
      this.#hosts.set(host, index);
      const namespace = this.#namespace(host);
      const link = `to-${index}`;
      ip('netns', 'add', namespace);
      // Made inside, so that their names are no one else's.
      ip(
        '-n',
        router,
        'link',
        'add',
        link,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        namespace,
      );
      ip('-n', router, 'addr', 'add', `${subnet}.${index}.1/30`, 'dev', link);
      ip('-n', router, 'link', 'set', link, 'up');
      ip('-n', namespace, 'addr', 'add', `${subnet}.${index}.2/30`, 'dev', 'eth0');
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', 'eth0', 'up');
      ip('-n', namespace, 'route', 'add', 'default', 'via', `${subnet}.${index}.1`);
    }
  }

  get #router(): string {
    return `${this.#prefix}-router`;
  }

  #namespace(host: string): string {
    return `${this.#prefix}-${host}`;
  }

  #at(host: string): number {
    const index = this.#hosts.get(host);
    if (index === undefined) throw new Error(`There is no host ${host} on this network.`);
    return index;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', [...args], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10_000 });
}
