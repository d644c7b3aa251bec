/** What the clients of one run are to do, drawn from its seed. */
import type { LockedKeys } from '../../src/core/messages.ts';
import { scoped } from '../../src/core/scope.ts';
import type { Script } from './actors/application.ts';
import type { Chance } from './world/chance.ts';

/** Some machines run the same service, and one another: its request ids are its own. */
export function clientNameOf(machine: string): string {
  return machine === 'c3' ? 'desk' : 'shop';
}

/** As the log names it. */
export function requestOf(job: {
  readonly requestId: string;
  readonly clientName: string;
}): string {
  return scoped(job.clientName, job.requestId);
}

interface JobBase {
  readonly tag: string;
  readonly branches: readonly {
    readonly participant: string;
    readonly branch?: string;
    readonly payload: Script;
  }[];
  readonly timeoutMs: number;
  readonly callTimeoutMs: number;
  /** Null: it takes none. The same for every copy of a request. */
  readonly locking: Locking | null;
  /** When each of its callers makes the call. */
  readonly callers: readonly { readonly client: number; readonly atMs: number }[];
}

export interface Locking {
  readonly lockGroup: string;
  /** One-shots take them all at once; the others one by one, in this order, as they enlist. */
  readonly locks: readonly LockedKeys[];
  readonly lockWaitMs: number;
}

export type Job = JobBase &
  (
    | { readonly kind: 'once' }
    | {
        readonly kind: 'interactive';
        readonly rollback: boolean;
        /**
         * Asks for one more branch when it has asked for the commit: it comes too late, whatever it
         * does.
         */
        readonly afterthought: boolean;
        /** Asks for a rollback while it waits for its commit. */
        readonly changesItsMind: boolean;
        /** Its last participant is asked by other means, and enlists itself. */
        readonly selfEnlisting: boolean;
      }
    | {
        readonly kind: 'request';
        /** Those who call themselves otherwise use the same ids, for requests of their own. */
        readonly requestId: string;
        /** What all of its callers call themselves. */
        readonly clientName: string;
        /** When the first of its callers makes the call. */
        readonly firstAtMs: number;
        /** After an abort, once more under the next attempt. */
        readonly triesAgain: boolean;
      }
  );

export interface WorkloadOptions {
  readonly jobs: number;
  /** How many were drawn before: tags go on from there. Default: 0. */
  readonly drawn?: number;
  /** Before it no one calls. Default: 0. */
  readonly fromMs?: number;
  readonly clients: number;
  readonly participants: readonly string[];
  readonly durationMs: number;
  /** Of branches, that do anything but vote commit. */
  readonly refuses: number;
  /** Of branches, whose prepare takes its time: longer than the time-outs, at times. */
  readonly slow: number;
  /** How much later somebody may repeat a request after all. 0: no one does. */
  readonly repeatsAfterMs: number;
}

/** `locks`: a chance of its own, so that what else is drawn does not depend on it. */
export function drawJobs(
  { jobs: chance, locks }: { jobs: Chance; locks: Chance },
  options: WorkloadOptions,
): readonly Job[] {
  const jobs: Job[] = [];
  const { drawn = 0 } = options;
  const requests = new Map<string, number>();
  for (let index = drawn; index < drawn + options.jobs; index += 1) {
    const job = { ...drawJob(chance, index, options), locking: drawLocking(locks) };
    if (job.kind !== 'request') {
      jobs.push(job);
      continue;
    }
    const serial = requests.get(job.clientName) ?? 0;
    requests.set(job.clientName, serial + 1);
    jobs.push({ ...job, requestId: `r${drawn}.${serial}` });
  }
  return jobs;
}

/** Few keys, in any order: many meet, and some stand in each other's way. */
function drawLocking(chance: Chance): Locking | null {
  if (chance.happens(0.4)) return null;
  const keys = new Set<string>();
  const count = chance.whole(1, 2);
  while (keys.size < count) keys.add(chance.pick(['k', 'l', 'm'] as const));
  return {
    lockGroup: chance.happens(0.85) ? 'shared/one' : 'two',
    locks: [...keys].map((key) => ({
      keys: [key],
      mode: chance.happens(0.3) ? 'shared' : 'exclusive',
    })),
    lockWaitMs: Math.round(chance.logarithmic(50, 8_000)),
  };
}

function drawJob(chance: Chance, index: number, options: WorkloadOptions): Job {
  const { participants, clients, fromMs = 0, durationMs } = options;
  const tag = `j${index}`;
  const count = Math.min(participants.length, chance.whole(1, 4));
  const chosen = new Set<string>();
  while (chosen.size < count) chosen.add(chance.pick(participants));
  const branches = [...chosen].map((participant) => ({
    participant,
    payload: script(chance, tag, options),
  }));
  const [first] = branches;
  // One participant with two branches, now and then.
  const twice =
    first !== undefined && chance.happens(0.1)
      ? [{ ...first, branch: `${first.participant}-second`, payload: script(chance, tag, options) }]
      : [];
  const firstAtMs = chance.between(fromMs, durationMs);
  const base: JobBase = {
    tag,
    branches: [...branches, ...twice],
    timeoutMs: Math.round(chance.logarithmic(300, 8_000)),
    locking: null,
    callTimeoutMs: Math.round(chance.logarithmic(500, 15_000)),
    callers: [{ client: chance.whole(0, clients - 1), atMs: firstAtMs }],
  };
  const kind = chance.fraction();
  if (kind < 0.3) return { ...base, kind: 'once' };
  if (kind < 0.55) {
    return {
      ...base,
      kind: 'interactive',
      rollback: chance.happens(0.15),
      afterthought: chance.happens(0.2),
      changesItsMind: chance.happens(0.25),
      selfEnlisting: chance.happens(0.35),
    };
  }
  const firstCaller = base.callers[0]?.client ?? 0;
  const clientName = nameOf(firstCaller);
  const more = chance.whole(0, 2);
  const callers = [...base.callers];
  for (let other = 0; other < more; other += 1) {
    callers.push({
      client: chance.whole(0, clients - 1),
      atMs: firstAtMs + chance.logarithmic(1, 4_000),
    });
  }
  const { repeatsAfterMs } = options;
  if (repeatsAfterMs > 0 && chance.happens(0.5)) {
    callers.push({
      client: chance.whole(0, clients - 1),
      atMs: firstAtMs + repeatsAfterMs * chance.between(0.95, 1.2),
    });
  }
  return {
    ...base,
    kind: 'request',
    requestId: `r${index}`,
    clientName,
    firstAtMs,
    callers: callers.map(({ client, atMs }) => ({
      client: nameOf(client) === clientName ? client : firstCaller,
      atMs,
    })),
    triesAgain: chance.happens(0.4),
  };
}

function nameOf(client: number): string {
  return clientNameOf(`c${client + 1}`);
}

function script(chance: Chance, tag: string, options: WorkloadOptions): Script {
  const vote = chance.happens(options.refuses)
    ? chance.pick(['abort', 'readonly', 'readonly', 'throw'] as const)
    : 'commit';
  const delayMs = chance.happens(options.slow) ? Math.round(chance.logarithmic(1, 6_000)) : 0;
  return { tag, vote, delayMs };
}
