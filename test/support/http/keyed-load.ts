/**
 * Requests under Idempotency-Keys to several replicas of a service at once, by seeded chance:
 * clients that repeat themselves, hang up and write the same body otherwise, behind proxies that
 * break. Then what was answered is held against what happened.
 */
import type { Random } from '../../../src/ports/random.ts';
import type { Script } from '../participants/participant-process.ts';
import { pause } from '../process/child.ts';

/** What is asked for under one key. */
export interface Keyed {
  readonly key: string;
  readonly tag: string;
  readonly path: '/orders' | '/twice';
  readonly plan: Readonly<Record<string, Script>>;
}

/** One request; `status` null: its sender never learnt what came of it. */
export interface Heard {
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  readonly status: number | null;
  readonly txids: readonly string[];
  readonly isReplayed: boolean;
  readonly detail: string;
}

const oddities: readonly ((at: string) => string)[] = [
  (at) => at,
  (at) => `with "quotes" and \\ ${at}`,
  (at) => ` , ; = %00 ${at} `,
  (at) => `__proto__${at}`,
  (at) => `${at}${'x'.repeat(255 - at.length)}`,
  (at) => `["everyone","${at}",""]`,
];

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[Math.floor(random.fraction() * values.length)];
  if (value === undefined) throw new RangeError('There is nothing to pick from.');
  return value;
}

export function drawKeyed(random: Random, count: number, of: string): Keyed[] {
  return Array.from({ length: count }, (_, index) => {
    const at = `${of}-${index}`;
    const a: Script = pick<Script>(random, [
      {},
      {},
      { delayMs: 60 },
      { vote: 'abort' },
      // More than the account has, until it is given some.
      { transfer: { account: at, amount: -1_500 } },
    ]);
    const b: Script = pick<Script>(random, [{}, {}, { delayMs: 120 }]);
    const [first, second] = random.fraction() < 0.5 ? [a, b] : [b, a];
    return {
      key: pick(random, oddities)(at),
      tag: at,
      path: random.fraction() < 0.3 ? '/twice' : '/orders',
      plan: { a: first, b: second },
    };
  });
}

/** The same content as JSON may have it: keys in another order, numbers written otherwise. */
export function bodyOf({ plan, tag }: Keyed, random: Random): string {
  const written = (value: unknown): string => {
    if (typeof value === 'number') {
      return pick(random, [String(value), `${value}.0`, `${value}e0`, value.toExponential()]);
    }
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    const pairs = Object.entries(value).map(
      ([name, of]) => `${JSON.stringify(name)}:${written(of)}`,
    );
    if (random.fraction() < 0.5) pairs.reverse();
    return `{${pairs.join(pick(random, [',', ' ,\n']))}}`;
  };
  // The order of the branches is content: that of `plan` stays.
  const scripts = Object.entries(plan).map(
    ([name, script]) => `${JSON.stringify(name)}:${written(script)}`,
  );
  const pairs = [`"plan":{${scripts.join(',')}}`, `"tag":${JSON.stringify(tag)}`];
  if (random.fraction() < 0.5) pairs.reverse();
  return `{${pairs.join(',')}}`;
}

function headerOf(key: string, random: Random): string {
  const bare = /^[\w-]+$/.test(key) && random.fraction() < 0.5;
  return bare ? key : `"${key.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Never rejects: what went wrong on the way is a `status` of null. */
export async function send(
  url: string,
  keyed: Keyed,
  random: Random,
  hangUpAfterMs: number | null = null,
): Promise<Heard> {
  const sentAtMs = performance.now();
  const lost = { status: null, txids: [], isReplayed: false, detail: '' };
  try {
    const response = await fetch(`${url}${keyed.path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': headerOf(keyed.key, random),
      },
      body: bodyOf(keyed, random),
      signal: AbortSignal.timeout(Math.round(hangUpAfterMs ?? 30_000)),
    });
    const body = (await response.json()) as {
      readonly txid?: string;
      readonly txids?: readonly string[];
      readonly detail?: string;
    };
    const { txid, txids = txid === undefined ? [] : [txid], detail = '' } = body;
    const isReplayed = response.headers.get('idempotency-replayed') === 'true';
    const { status } = response;
    return { sentAtMs, endedAtMs: performance.now(), status, txids, isReplayed, detail };
  } catch {
    return { sentAtMs, endedAtMs: performance.now(), ...lost };
  }
}

/** All that is sent under one key while things break: some at once, some one after the other. */
export async function sendOnAndOn(
  urls: readonly string[],
  keyed: Keyed,
  random: Random,
): Promise<Heard[]> {
  const clients = 1 + Math.floor(random.fraction() * 3);
  const heard = await Promise.all(
    Array.from({ length: clients }, async () => {
      const own: Heard[] = [];
      for (let turn = Math.floor(random.fraction() * 3); turn >= 0; turn -= 1) {
        await pause(random.fraction() * 40);
        const hangUpAfterMs = random.fraction() < 0.25 ? 5 + random.fraction() * 150 : null;
        own.push(await send(pick(random, urls), keyed, random, hangUpAfterMs));
      }
      return own;
    }),
  );
  return heard.flat();
}

const isOk = (status: number | null): boolean => status === 200 || status === 201;

/**
 * Everything that is wrong with the answers of one key, the last of them given when all was well.
 * `applied`: how often its effect is in each participant. Empty: all is right.
 */
export function wrongOf(
  keyed: Keyed,
  heard: readonly Heard[],
  applied: readonly number[],
): string[] {
  const wrong: string[] = [];
  const say = (text: string): void => {
    wrong.push(`${keyed.tag} (${keyed.path} ${JSON.stringify(keyed.plan)}): ${text}`);
  };
  const [here = 0] = applied;
  const whole = keyed.path === '/twice' ? 2 : 1;
  const known = heard.filter(({ status }) => status !== null);
  const ok = known.filter(({ status }) => isOk(status));
  const last = heard.at(-1);
  if (applied.some((each) => each !== here)) say(`it is there in parts: ${applied}`);
  if (here > whole) say(`it is there ${here} times`);
  if (isOk(last?.status ?? null) ? here !== whole : here === whole) {
    say(`it is there ${here} times, and the last answer is ${last?.status}`);
  }
  if (new Set(ok.map(({ txids }) => txids.join())).size > 1) {
    say(`there are other successes: ${ok.map(({ txids }) => txids)}`);
  }
  for (const one of known) {
    const before = heard.filter(
      ({ sentAtMs }) => sentAtMs < one.endedAtMs && sentAtMs !== one.sentAtMs,
    );
    if (before.length === 0 && one.isReplayed) say(`${one.status} is replayed, and is the first`);
    const saysNothing = one.detail.includes('Nothing was changed');
    if (saysNothing && ok.some(({ endedAtMs }) => endedAtMs < one.sentAtMs)) {
      say(`${one.status} behind a success: ${one.detail}`);
    }
    const isLast = heard.every(
      (other) => other === one || (other.status !== null && other.endedAtMs < one.endedAtMs),
    );
    if (saysNothing && isLast && here > 0) say(`${one.status}, and it is there: ${one.detail}`);
    if (![200, 201, 409, 503, 504].includes(one.status ?? 0)) say(`${one.status}: ${one.detail}`);
  }
  return wrong;
}
