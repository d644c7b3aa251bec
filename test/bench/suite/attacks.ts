/**
 * Hostile programs, one kind after the other, and what a steady load notices of each.
 *
 * They share the machine with the node, and on few cores that alone is felt. So each is aimed at a
 * server beside the node first, which is none of Verdict's: the load is measured quietly, beside
 * that noise, and under the attack.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../../src/client.ts';
import { epochOf } from '../../../src/core/txid.ts';
import { testAuthority } from '../../support/network/certificates.ts';
import { Child, pause } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { type Attack, attacks as allAttacks } from '../attackers/attacks.ts';
import type { Target as Attacked } from '../attackers/target.ts';
import { median, nameOf, refused } from '../load.ts';
import { BenchCluster, payload } from '../rig/bench-cluster.ts';
import { poissonArrivals, runOpenLoop } from '../rig/paced.ts';
import type { Proof, SecretPlace } from '../rig/secret-place.ts';
import { cpuMsOf, rssBytesOf } from '../rig/usage.ts';
import { peakOf } from './open-loop.ts';
import type { Findings, Section, SectionGiven, Table, Target } from './section.ts';

const part = 0.25;
const clients = 4;
/** Of a phase, against the suite's measurements: an attack takes time to be felt. */
const longer = 3;
/** An attacker has opened what it opens by then. */
const startMs = 1_000;
const settleMs = 1_500;
const mostTimes = 3;
const newcomerPauseMs = 500;
const newcomerTimeoutMs = 30_000;
const proofs: readonly Proof[] = ['certificates', 'tokens'];
const shownProof = { certificates: 'TLS, certificates', tokens: 'tokens, no TLS' } as const;
const issuer = 'https://issuer.example';
const audience = 'verdict';

interface Phase {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: readonly string[];
  /** From the dial to the welcome, of clients that come meanwhile: the median. */
  readonly newcomerMs: number;
  readonly rssBytes: number;
  /** Of a core. */
  readonly nodeCpuPart: number;
  readonly leaders: number;
}

interface Result {
  readonly attack: string;
  readonly quiet: Phase;
  readonly beside: Phase;
  readonly attacked: Phase;
  /** What the attacker counts, in a second. */
  readonly donePerSecond: number;
}

interface OfProof {
  readonly proof: Proof;
  readonly perSecond: number;
  /** The median of all quiet phases: one alone differs by a factor of three. */
  readonly quietP99Ms: number;
  readonly results: readonly Result[];
}

export const attacks: Section = {
  name: 'attacks',
  title: 'Beside attackers',
  about:
    'A node on one etcd with an access file. Transactions of three branches come in a Poisson ' +
    'process at a quarter of the peak, and latency counts from when each was due; one that fails ' +
    'counts as one that never ends. Each attack runs in a process of its own on the same machine. ' +
    'It is aimed at another server first, which shows what it takes from the machine, and then at ' +
    'the node. `times quiet` is of the median of all quiet phases. An attack that misses the aim is ' +
    'measured twice more, and the middle one of the three is shown. A newcomer is a client that ' +
    'connects meanwhile.',
  run: async (given) => {
    const all: OfProof[] = [];
    for (const proof of proofs) {
      const chosen = allAttacks.filter(
        ({ onlyWithTls }) => proof === 'certificates' || onlyWithTls !== true,
      );
      all.push(await underAttacks(given, proof, chosen));
    }
    return findingsOf(all);
  },
};

export async function underAttacks(
  given: SectionGiven,
  proof: Proof,
  chosen: readonly Attack[],
): Promise<OfProof> {
  const { durationMs, quick, progress } = given;
  const directory = join(given.directory, proof);
  mkdirSync(directory, { recursive: true });
  const jwt = jwtOf(directory);
  const cluster = await BenchCluster.started({
    ...{ log: 'one etcd', directory, clients, proof },
    issuers: [jwt.issuer],
  });
  const { secret } = cluster;
  if (secret === null) throw new Error('A cluster without an access file.');
  const bystander = new Child('test/bench/attackers/bystander.ts', {
    args: secret.node === null ? [] : [secret.node.cert, secret.node.key, secret.node.ca],
  });
  try {
    progress(`${shownProof[proof]}: the peak`);
    await cluster.warmUp(given);
    const one = (): Promise<void> => cluster.transact();
    const perSecond = (await peakOf({ durationMs, rounds: 1, quick, one })) * part;
    const load = new Load(cluster, { perSecond, durationMs: durationMs * longer });
    const target = await targetOf(secret, { jwt: jwt.bad, names: cluster.names });
    const besidePort = Number(await bystander.line(/^\d+$/));
    const measured = async (name: string): Promise<Result> => {
      const attackAt = (port: number): Promise<Attacker> =>
        Attacker.started(name, { directory, target: { ...target, port } });
      progress(`${shownProof[proof]}: quiet`);
      const quiet = await load.measured();
      progress(`${shownProof[proof]}: ${name}, at another server`);
      const noise = await attackAt(besidePort);
      const beside = await noise.meanwhile(() => load.measured());
      progress(`${shownProof[proof]}: ${name}`);
      const attacker = await attackAt(cluster.leader.port);
      const attacked = await attacker.meanwhile(() => load.measured());
      if (!cluster.leader.running) throw new Error(`${name}: ${cluster.leader.output()}`);
      return {
        ...{ attack: name, quiet, beside: beside.found, attacked: attacked.found },
        donePerSecond: attacked.donePerSecond,
      };
    };
    const first: Result[] = [];
    for (const { name } of chosen) first.push(await measured(name));
    const quietP99Ms = median(first.map(({ quiet }) => quiet.p99Ms));
    const results: Result[] = [];
    for (const result of first) {
      const isFine = result.attacked.p99Ms <= mostTimes * quietP99Ms;
      const { attack } = result;
      results.push(
        isFine || quick
          ? result
          : middleOf([result, await measured(attack), await measured(attack)]),
      );
    }
    return { proof, perSecond, quietP99Ms, results };
  } finally {
    await bystander.kill();
    await cluster.remove();
  }
}

class Attacker {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  static async started(
    name: string,
    { directory, target }: { readonly directory: string; readonly target: Attacked },
  ): Promise<Attacker> {
    const file = join(directory, 'target.json');
    writeFileSync(file, JSON.stringify(target));
    const child = new Child('test/bench/attackers/entry.ts', { args: [name, file] });
    if ((await child.line(/^ready$/)) === null) throw new Error(child.lines.join('\n'));
    await pause(startMs);
    return new Attacker(child);
  }

  /** It is ended afterwards, and what it has left behind is let go. */
  async meanwhile<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly found: T; readonly donePerSecond: number }> {
    const child = this.#child;
    try {
      const before = Number(await child.ask({ done: true }));
      const fromMs = performance.now();
      const found = await work();
      if (child.exit !== null) throw new Error(`The attacker ended:\n${child.lines.join('\n')}`);
      const done = Number(await child.ask({ done: true })) - before;
      return { found, donePerSecond: (done / (performance.now() - fromMs)) * 1_000 };
    } finally {
      await child.kill();
      await pause(settleMs);
    }
  }
}

/** The good clients. */
class Load {
  readonly #cluster: BenchCluster;
  readonly #perSecond: number;
  readonly #durationMs: number;
  readonly #random = seededRandom(9);

  constructor(
    cluster: BenchCluster,
    { perSecond, durationMs }: { readonly perSecond: number; readonly durationMs: number },
  ) {
    this.#cluster = cluster;
    this.#perSecond = perSecond;
    this.#durationMs = durationMs;
  }

  async measured(): Promise<Phase> {
    const cluster = this.#cluster;
    const durationMs = this.#durationMs;
    const { pid } = cluster.leader.child;
    const epochs = new Set<string>();
    const due = poissonArrivals({ perSecond: this.#perSecond, durationMs, random: this.#random });
    const cpuMs = cpuMsOf(pid);
    const newcomers = new Newcomers(cluster);
    const { p50Ms, p99Ms, failures } = await runOpenLoop({
      due,
      durationMs,
      one: async () => {
        const branches = cluster.names.map((participant) => ({ participant, payload }));
        const outcome = await cluster.client.transact({ branches });
        if (outcome.outcome !== 'committed') throw refused(outcome.reason);
        epochs.add(epochOf(outcome.txid));
      },
    });
    const rssBytes = rssBytesOf(pid);
    const nodeCpuPart = (cpuMsOf(pid) - cpuMs) / durationMs;
    return {
      ...{ p50Ms, p99Ms, rssBytes, nodeCpuPart },
      failed: Object.entries(failures).map(([code, count]) => `${count} ${code}`),
      newcomerMs: await newcomers.stop(),
      leaders: epochs.size,
    };
  }
}

/** Clients that connect while the others work. */
class Newcomers {
  readonly #tookMs: number[] = [];
  readonly #loop: Promise<void>;
  #over = false;

  constructor(cluster: BenchCluster) {
    this.#loop = this.#come(cluster);
  }

  async stop(): Promise<number> {
    this.#over = true;
    await this.#loop;
    return median(this.#tookMs);
  }

  async #come({ leader, secret }: BenchCluster): Promise<void> {
    while (!this.#over) {
      const fromMs = performance.now();
      try {
        const client = await connect({
          urls: [leader.url],
          timeoutMs: newcomerTimeoutMs,
          ...secret?.optionsOf('clients'),
        });
        this.#tookMs.push(performance.now() - fromMs);
        await client.close();
      } catch (error) {
        if (nameOf(error) === 'UNAUTHENTICATED') throw error;
        this.#tookMs.push(Number.POSITIVE_INFINITY);
      }
      await pause(newcomerPauseMs);
    }
  }
}

/** An issuer of the access file, and a token that it has not signed. */
function jwtOf(directory: string): { readonly issuer: object; readonly bad: string } {
  const kid = 'key';
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const file = join(directory, 'keys.json');
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' };
  writeFileSync(file, JSON.stringify({ keys: [jwk] }));
  const encoded = (value: object): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + 86_400;
  const head = encoded({ alg: 'ES256', kid });
  const said = `${head}.${encoded({ iss: issuer, aud: audience, sub: 'limited', exp })}`;
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sign('sha256', Buffer.from(said), { key, dsaEncoding: 'ieee-p1363' });
  return {
    issuer: { issuer, audience, algorithms: ['ES256'], keys: { file } },
    bad: `${said}.${signature.toString('base64url')}`,
  };
}

async function targetOf(
  secret: SecretPlace,
  { jwt, names }: { readonly jwt: string; readonly names: readonly string[] },
): Promise<Omit<Attacked, 'port'>> {
  const other = await (await testAuthority()).identity('limited');
  const pemOf = (name: 'limited' | 'operators' | 'services') => {
    const { cert, key } = secret.filesOf(name);
    return { cert: readFileSync(cert.file, 'utf8'), key: readFileSync(key.file, 'utf8') };
  };
  return {
    tls:
      secret.node === null
        ? null
        : {
            limited: pemOf('limited'),
            operators: pemOf('operators'),
            services: pemOf('services'),
            wrong: { cert: other.certificate, key: other.key },
          },
    badJwt: jwt,
    participants: names,
  };
}

/** By its p99; a leadership that was lost in any counts. */
function middleOf(results: readonly Result[]): Result {
  const sorted = results.toSorted((a, b) => a.attacked.p99Ms - b.attacked.p99Ms);
  const middle = sorted[Math.floor(sorted.length / 2)] as Result;
  const leaders = Math.max(...results.map(({ attacked }) => attacked.leaders));
  return { ...middle, attacked: { ...middle.attacked, leaders } };
}

const timesBeside = ({ beside, attacked }: Result): number => attacked.p99Ms / beside.p99Ms;

function findingsOf(all: readonly OfProof[]): Findings {
  return { tables: all.map(tableOf), charts: [], targets: all.flatMap(targetsOf) };
}

function tableOf({ proof, perSecond, quietP99Ms, results }: OfProof): Table {
  return {
    title: `Beside attackers: ${shownProof[proof]}; ${perSecond.toFixed(0)} tx/s`,
    columns: [
      'attack',
      'done/s',
      'quiet p50 ms',
      'p99 ms',
      'noise p50 ms',
      'p99 ms',
      'attacked p50 ms',
      'p99 ms',
      'times quiet',
      'times noise',
      'node CPU %',
      'RSS MiB',
      'newcomer ms',
      'failed',
      'leadership lost',
    ],
    rows: results.map((result) => {
      const { attack, quiet, beside, attacked, donePerSecond } = result;
      return [
        attack,
        Math.round(donePerSecond),
        ...[quiet, beside, attacked].flatMap(({ p50Ms, p99Ms }) => [p50Ms, p99Ms]),
        attacked.p99Ms / quietP99Ms,
        timesBeside(result),
        Math.round(attacked.nodeCpuPart * 100),
        Math.round(attacked.rssBytes / 1_048_576),
        attacked.newcomerMs,
        attacked.failed.join(', '),
        attacked.leaders === 1 ? 'no' : 'yes',
      ];
    }),
  };
}

function targetsOf({ proof, quietP99Ms, results }: OfProof): Target[] {
  return results.map((result) => {
    const quiet = result.attacked.p99Ms / quietP99Ms;
    const beside = timesBeside(result);
    return {
      what: `${result.attack}, ${shownProof[proof]}: p99 of good clients`,
      aim: `<= ${mostTimes} times a quiet phase, leadership kept`,
      measured: `${quiet.toFixed(1)} times; ${beside.toFixed(1)} times the noise`,
      met: quiet <= mostTimes && result.attacked.leaders === 1,
    };
  });
}
