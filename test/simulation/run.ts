/** One run: a plan carried out in a world of its own, then healed, then waited for. */

import type { Txid } from '../../src/core/txid.ts';
import { VerdictError } from '../../src/peer/verdict-error.ts';
import { type CallRecord, ClientMachine } from './actors/client.ts';
import { NodeMachine } from './actors/node.ts';
import { ParticipantMachine } from './actors/participant.ts';
import { checkEnd } from './check/end-check.ts';
import { type BranchFacts, Facts } from './check/facts.ts';
import { JournalCheck } from './check/journal-check.ts';
import { LogCheck } from './check/log-check.ts';
import { MessageCheck } from './check/message-check.ts';
import { Coverage } from './coverage.ts';
import { SimEtcd } from './etcd/server.ts';
import { fleetOf } from './fleet.ts';
import { type Cluster, Injector } from './injector.ts';
import { maxTransactionTimeoutMs, nodeSettings, participantSettings } from './options.ts';
import type { Ending, Plan } from './plan.ts';
import { Replacements } from './replacements.ts';
import { type Job, requestOf } from './workload.ts';
import { shutIn } from './world/ban.ts';
import { Network } from './world/network.ts';
import { Reach } from './world/reach.ts';
import { World } from './world/world.ts';

export interface RunResult {
  readonly seed: number;
  readonly violation: Error | null;
  readonly hash: string;
  readonly events: number;
  readonly checks: number;
  readonly simulatedMs: number;
  readonly calls: readonly CallRecord[];
  readonly cells: ReadonlyMap<string, number>;
  readonly trace: readonly string[];
}

/**
 * After which everything must have ended, once nothing goes wrong any more. Participants that an
 * operator has settled may come back after a minute, and what another process has begun in their
 * journal is buried a minute later.
 */
const maxHealedMs = 180_000;
const lookMs = 250;
const askTimeoutMs = 1_500;
const refused = { retryable: false, acted: 'nothing' } as const;

export function runPlan(plan: Plan, options: { readonly trace?: boolean } = {}): RunResult {
  listenForRejections();
  return shutIn(() => new Run(plan, options.trace ?? false).run());
}

/** The run that is under way: rejections that no one handles are told to it. */
let current: World | null = null;
let listening = false;

function listenForRejections(): void {
  if (listening) return;
  listening = true;
  process.on('unhandledRejection', (reason) => {
    if (current === null) throw reason;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    current.broken(new Error(`A rejection that no one handled: ${error.stack}`));
  });
}

class Run {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #facts: Facts;
  readonly #logCheck: LogCheck;
  readonly #journals: JournalCheck;
  readonly #injector: Injector;
  readonly #cluster: Cluster;
  readonly #coverage: Coverage;

  constructor(plan: Plan, trace: boolean) {
    this.#plan = plan;
    const world = new World({ seed: plan.seed, trace });
    this.#world = world;
    this.#facts = new Facts(world);
    this.#journals = new JournalCheck(this.#facts);
    const coverage = new Coverage(this.#facts);
    this.#coverage = coverage;
    const injector = new Injector({
      world,
      faults: plan.faults,
      maxAsleepMs: plan.maxAsleepMs,
      replacements: new Replacements({
        maxComesBackMs: plan.maxAsleepMs,
        urls: this.#urls(0),
        gaveUp: (machine) => this.#facts.retired.add(machine),
        left: (machine) => this.#facts.left.add(machine),
        journalLost: (machine) => this.#journals.lost(machine),
        owed: (machine) => this.#facts.owed(machine),
        spokenFor: ({ txid, branch }) => this.#facts.byHand.add(`${txid}/${branch}`),
      }),
      met: (name, txid) =>
        txid === undefined ? coverage.met(name) : coverage.meets(this.#facts.at(txid), name),
    });
    this.#injector = injector;
    const reach = new Reach(world);
    const messages = new MessageCheck(this.#facts);
    const network = new Network({
      world,
      reach,
      faults: injector.wireFaults(),
      watcher: { sent: (from, to, message) => messages.sent(from, to, message as never) },
    });
    const etcd = new SimEtcd({
      world,
      reach,
      members: ['e1', 'e2', 'e3'],
      faults: injector.etcdFaults(),
    });
    this.#logCheck = new LogCheck(this.#facts, etcd.state, {
      maxUndecidedMs: maxTransactionTimeoutMs,
    });
    etcd.applied = (changes) => this.#logCheck.applied(changes);
    etcd.setBack = (revision) => this.#logCheck.setBack(revision);
    this.#cluster = {
      world,
      reach,
      network,
      etcd,
      nodes: this.#nodes(etcd, network),
      participants: this.#participants(etcd, network),
      clients: this.#clients(network),
    };
  }

  #machine(name: string, kind: 'node' | 'participant' | 'client') {
    const { faults } = this.#plan;
    const chance = this.#world.stream(`machine ${name}`);
    const drift = faults['clock-drift'] ?? 0;
    return {
      world: this.#world,
      name,
      rate: 1 + drift * chance.between(-0.05, 0.05),
      restartMs: () => this.#injector.restartMs(chance),
      died: () => this.#coverage.met(`${kind}-death`),
      diesAt: (point: string) => kind !== 'client' && this.#injector.diesAt(kind, point, chance),
      disk: this.#injector.disk(name),
    };
  }

  #nodes(etcd: SimEtcd, network: Network): NodeMachine[] {
    const { nodes, shards, requestWindowMs } = this.#plan;
    return Array.from(
      { length: nodes },
      (_, index) =>
        new NodeMachine({
          ...this.#machine(`n${index + 1}`, 'node'),
          etcd,
          network,
          shards,
          requestWindowMs,
          settings: (start) => nodeSettings(this.#plan, `n${index + 1}`, start),
        }),
    );
  }

  #participants(etcd: SimEtcd, network: Network): ParticipantMachine[] {
    const { participants, traits, faults } = this.#plan;
    const journals = this.#journals;
    const members = participants.flatMap((name, index) =>
      fleetOf(name, faults, this.#world.stream(`fleet ${name}`)).map((member) => ({
        member,
        index,
      })),
    );
    return members.map(({ member, index }) => {
      const { name, participant } = member;
      const machine = this.#machine(name, 'participant');
      const failing = this.#world.stream(`failing ${name}`);
      const { lists = false, direct = 'none' } = traits[index] ?? {};
      if (direct !== 'none') this.#facts.readers.add(participant);
      return new ParticipantMachine({
        ...machine,
        member,
        network,
        etcd,
        urls: this.#urls(index),
        settings: (start) => participantSettings(this.#plan, name, start),
        lists,
        direct,
        fails: () => failing.happens(this.#injector.intensity('application-fails') * 0.5),
        watcher: {
          applied: (_, { txid, branch, record }) => {
            journals.applied(participant, txid, branch);
            // What several may end is durable when it is in the store.
            if (record !== null)
              this.#facts.committedDurably(this.#facts.branch(txid, participant, branch));
          },
          noted: (_, { txid, branch }) => {
            this.#facts.branch(txid, participant, branch).notedBy.add(name);
          },
          rolledBack: (_, { txid, branch }) => journals.rolledBack(participant, txid, branch),
          journaled: (journal, changes) => journals.written(journal, changes),
          kept: (journal, { txid, branch }) => journals.kept(journal, txid, branch),
          alarmed: (_, { alarm, message }) => this.#world.note(name, `ALARM ${alarm}: ${message}`),
        },
      });
    });
  }

  #clients(network: Network): ClientMachine[] {
    return Array.from(
      { length: this.#plan.clients },
      (_, index) =>
        new ClientMachine({
          ...this.#machine(`c${index + 1}`, 'client'),
          network,
          urls: this.#urls(index),
          askToWork: (txid, branch) => this.#askToWork(`c${index + 1}`, txid, branch),
          ended: (call) => this.#ended(call),
        }),
    );
  }

  /**
   * Each knows one or two nodes, and is told of the others; all, where one alone may be what is
   * left.
   */
  #urls(index: number): string[] {
    const { nodes, ending } = this.#plan;
    if (ending === 'one-node') {
      return Array.from({ length: nodes }, (_, node) => `n${node + 1}:7070`);
    }
    const first = index % nodes;
    return [first, (first + 1) % nodes].map((node) => `n${node + 1}:7070`);
  }

  /** A request between two services, with a time-out and without a second try. */
  #askToWork(client: string, txid: Txid, branch: Job['branches'][number]): Promise<void> {
    const { clients, participants, reach } = this.#cluster;
    const asking = clients.find(({ name }) => name === client)?.process;
    const of = participants.filter(({ role }) => role === branch.participant);
    const asked = of.find(({ runs }) => runs) ?? of[0];
    return new Promise((resolve, reject) => {
      if (asking?.effect() !== true) return;
      const failed = (): void => reject(new VerdictError('TIMEOUT', 'It did not answer.', refused));
      asking.clock.setTimer(askTimeoutMs, failed);
      if (asked === undefined) return;
      if (!reach.reaches(client, asked.name) || !reach.reaches(asked.name, client)) return;
      asked.work(txid, branch).then(
        () => asking.io(1, resolve),
        () => asking.io(1, failed),
      );
    });
  }

  #ended({ job, ended, attempt, txid, readonly, code }: CallRecord): void {
    this.#facts.check(
      code !== 'REQUEST_CONFLICT',
      'I8',
      `${job.tag} was taken for another request`,
    );
    if (ended === 'fail' && job.kind === 'request' && attempt !== null && txid !== null) {
      const wrong = this.#facts.request(requestOf(job)).toldAborted(txid, attempt);
      this.#facts.check(
        wrong === null,
        'I8',
        `the request ${job.requestId} of ${job.clientName} ${wrong}`,
      );
    }
    if (ended === 'ok' && txid !== null) {
      this.#facts.saysCommitted(txid, job.tag, { readonly });
    }
    if (ended === 'fail' && txid !== null) this.#facts.saysAborted(txid, job.tag);
  }

  run(): RunResult {
    const world = this.#world;
    current = world;
    try {
      this.#play();
    } catch (error) {
      world.broken(error as Error);
    } finally {
      current = null;
    }
    return {
      seed: this.#plan.seed,
      violation: world.violation,
      hash: world.hash,
      events: world.events,
      checks: this.#facts.checks,
      simulatedMs: world.nowMs,
      calls: this.#cluster.clients.flatMap(({ calls }) => calls),
      cells: this.#coverage.cells,
      trace: world.trace ?? [],
    };
  }

  #play(): void {
    const { durationMs, jobs } = this.#plan;
    const world = this.#world;
    const { nodes, participants, clients } = this.#cluster;
    for (const machine of [...nodes, ...participants, ...clients]) {
      if (machine.retired) continue;
      world.after(world.chance.between(0, 200), () => machine.start());
    }
    for (const job of jobs) {
      for (const { client, atMs } of job.callers) {
        world.at(atMs, () => clients[client]?.call(job));
      }
    }
    this.#injector.start(this.#cluster, durationMs);
    world.runUntil(durationMs);
    const { ending } = this.#plan;
    this.#injector.end(this.#cluster, ending);
    if (ending !== 'whole') {
      this.#await(`I11: with ${ending} left`, () => this.#inDoubt(ending));
      this.#injector.heal(this.#cluster);
    }
    this.#await('I10: with everything healed', () => this.#unfinished());
    if (world.violation !== null) return;
    checkEnd({
      duplicates: (this.#plan.faults['message-duplicate'] ?? 0) > 0,
      facts: this.#facts,
      participants,
      jobs,
      calls: clients.flatMap(({ calls }) => calls),
    });
  }

  /** Until nothing is left of what `missing` tells; it must not take forever. */
  #await(when: string, missing: () => string | null): void {
    const world = this.#world;
    let nextLookMs = world.nowMs;
    let done = false;
    world.runUntil(world.nowMs + maxHealedMs, () => {
      if (world.nowMs < nextLookMs) return false;
      nextLookMs = world.nowMs + lookMs;
      done = missing() === null;
      return done;
    });
    if (!done) world.broken(`${when}: after ${maxHealedMs / 1_000} s ${missing()}`);
  }

  /** Who is still in doubt, of those who need not be. */
  #inDoubt(ending: Ending): string | null {
    for (const { txid, branches } of this.#facts.all()) {
      for (const facts of branches.values()) {
        const { participant, branch, state } = facts;
        if (state !== 'prepared' || this.#facts.isOrphaned(facts)) continue;
        if (this.#facts.gaveUp(txid, branch) || this.#waitsForOperator(txid, facts)) continue;
        if (ending === 'no-node' && !this.#facts.readers.has(participant)) continue;
        return `${participant}/${branch} of ${txid} is still in doubt`;
      }
    }
    return null;
  }

  /** What has not ended yet, or null. */
  #unfinished(): string | null {
    const { jobs } = this.#plan;
    const { participants, clients } = this.#cluster;
    const last = Math.max(0, ...jobs.flatMap(({ callers }) => callers.map(({ atMs }) => atMs)));
    if (this.#world.nowMs <= last) return 'some calls are still to be made';
    for (const { name, busy } of clients) if (busy) return `calls of ${name} have not ended`;
    for (const { name, holdings } of participants) {
      // It is told nothing any more, also of what it had enlisted and was never asked for.
      if (this.#facts.retired.has(name)) continue;
      for (const { txid, branch, held } of holdings.values()) {
        if (held && !this.#facts.gaveUp(txid, branch)) return `${name} still holds ${txid}`;
      }
    }
    for (const { txid, branches } of this.#facts.all()) {
      for (const facts of branches.values()) {
        const { participant, branch, state, owner } = facts;
        if (this.#facts.isOrphaned(facts) || this.#facts.gaveUp(txid, branch)) continue;
        // It enlisted, was never asked to prepare, and is not let in again.
        if (state === 'started' && owner !== null && this.#facts.retired.has(owner)) continue;
        if (this.#waitsForOperator(txid, facts)) continue;
        if (state === 'prepared' || state === 'started') {
          return `${participant}/${branch} of ${txid} is still ${state}`;
        }
      }
    }
    const pending = this.#logCheck
      .pending(this.#plan.shards)
      .find(({ txid }) => !this.#facts.at(txid).lost);
    if (pending !== undefined) return `${pending.txid} is still in decisions/ (${pending.outcome})`;
    const lost = clients.filter((client) => !client.findsLeader());
    return lost[0] === undefined ? null : `${lost[0].name} finds no leader`;
  }

  /**
   * Etcd has lost what the branch was ended by, and says the opposite since. A sibling may have
   * ended it in the store that both work on; its own journal holds the vote then.
   */
  #waitsForOperator(txid: Txid, { applied, undone }: BranchFacts): boolean {
    return this.#facts.at(txid).lost && (applied > 0 || undone);
  }
}
