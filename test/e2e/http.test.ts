/**
 * Requests over HTTP to a service in Fastify and in Express, on a node and participants in
 * processes of their own: a key has its effect once, whoever dies, and each outcome has its status.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expressShop, fastifyShop, type Order, type Shop } from '../support/http/shops.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import type { Script } from '../support/participants/participant-process.ts';
import { eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const all = { a: {}, b: {} };

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.started({ participants: ['a', 'b'] });
});
afterAll(async () => {
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

interface Sent {
  readonly plan?: Readonly<Record<string, Script>>;
  readonly tag?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { readonly txid?: string };
  readonly text: string;
}

/** How often what carries the tag was applied, by all participants together. */
function applied(tag: string): number {
  return [...cluster.participants.values()]
    .flatMap((participant) => participant.state().held)
    .filter((held) => held.tag === tag)
    .reduce((sum, held) => sum + held.applied, 0);
}

/** Once in each of them, and nothing is under way that could make it more. */
async function appliedOnce(tag: string): Promise<void> {
  await eventually(
    () => (applied(tag) >= 2 ? true : null),
    () => `${tag} to be applied`,
  );
  expect(await cluster.settled()).toEqual([]);
  expect(applied(tag)).toBe(2);
}

describe.each([
  { framework: 'Fastify', open: fastifyShop },
  { framework: 'Express', open: expressShop },
])('in $framework', ({ open }) => {
  const shops: Shop[] = [];
  afterEach(async () => {
    await Promise.all(shops.splice(0).map((shop) => shop.close()));
  });

  async function shop(options: Parameters<typeof open>[1] = {}): Promise<Shop> {
    const opened = await open(cluster.node.url, options);
    shops.push(opened);
    return opened;
  }

  async function post({ url }: Shop, path: string, sent: Sent = {}): Promise<Answer> {
    const { plan = all, tag = randomUUID(), headers = {}, signal } = sent;
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ plan, tag } satisfies Order),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    const { status } = response;
    const body = text.startsWith('{') ? JSON.parse(text) : {};
    return { status, headers: response.headers, body, text };
  }

  const keyed = (key = randomUUID()) => ({ 'idempotency-key': `"${key}"` });

  it('a key has its effect once: repeated, it gets the same transaction, with quotes or without', async () => {
    const opened = await shop();
    const [key, tag] = [randomUUID(), randomUUID()];
    const first = await post(opened, '/orders', { tag, headers: keyed(key) });
    expect(first.status).toBe(201);
    expect(first.headers.has('idempotency-replayed')).toBe(false);
    const second = await post(opened, '/orders', { tag, headers: { 'idempotency-key': key } });
    expect([second.status, second.body]).toEqual([201, first.body]);
    await appliedOnce(tag);
  });

  it('sent twice at once, to two processes of the service, the second joins the first', async () => {
    const opened = await Promise.all([shop(), shop()]);
    const tag = randomUUID();
    const sent = { tag, plan: { a: { delayMs: 200 }, b: {} }, headers: keyed() };
    const answers = await Promise.all(opened.map((each) => post(each, '/orders', sent)));
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(new Set(answers.map(({ body }) => body.txid)).size).toBe(1);
    await appliedOnce(tag);
  });

  it('the same key of two users is two keys', async () => {
    const opened = await shop();
    const [key, tag] = [randomUUID(), randomUUID()];
    const of = (user: string) => ({ tag, headers: { ...keyed(key), 'x-user': user } });
    const answers = [
      await post(opened, '/orders', of('anna')),
      await post(opened, '/orders', of('bert')),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(new Set(answers.map(({ body }) => body.txid)).size).toBe(2);
    expect(new Set(answers.map(({ body }) => body['order'])).size).toBe(2);
    expect(await cluster.settled()).toEqual([]);
    expect(applied(tag)).toBe(4);
  });

  it('is refused where it is wanted and missing, malformed, or used for something else', async () => {
    const opened = await shop();
    const missing = await post(opened, '/orders');
    expect([missing.status, missing.headers.get('content-type')]).toEqual([
      400,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
    expect(missing.body).toMatchObject({ type: 'urn:verdict:problem:key-missing', status: 400 });
    const malformed = await post(opened, '/orders', { headers: { 'idempotency-key': '"a", "b"' } });
    expect(malformed.body).toMatchObject({ type: 'urn:verdict:problem:key-malformed' });
    const headers = keyed();
    expect((await post(opened, '/orders', { headers })).status).toBe(201);
    const tag = randomUUID();
    const other = await post(opened, '/orders', { headers, tag });
    expect(other.status).toBe(422);
    expect(other.headers.get('cache-control')).toBe('no-store');
    expect(other.body).toMatchObject({ type: 'urn:verdict:problem:key-reused', status: 422 });
    expect(applied(tag)).toBe(0);
  });

  it('a key that is older than the request window, as the service can tell, is refused', async () => {
    const opened = await shop({ keyAgeMs: () => 25 * 60 * 60 * 1_000 });
    const tag = randomUUID();
    const old = await post(opened, '/orders', { tag, headers: keyed() });
    expect([old.status, old.body['type']]).toEqual([410, 'urn:verdict:problem:key-expired']);
    expect(applied(tag)).toBe(0);
  });

  it('is looked at where the route says so, and never of a GET', async () => {
    const opened = await shop();
    const tag = randomUUID();
    const without = [
      await post(opened, '/optional', { tag }),
      await post(opened, '/optional', { tag }),
    ];
    expect(without.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(without.map(({ body }) => body.txid)).size).toBe(2);
    expect(without[0]?.body['order']).toBeNull();
    const bad = await post(opened, '/optional', { headers: { 'idempotency-key': 'a b' } });
    expect(bad.status).toBe(400);
    const got = await fetch(`${opened.url}/orders`, { headers: keyed() });
    expect(await got.json()).toEqual({ key: null });
  });

  it('stands for several transactions of a request by their steps, and for one without', async () => {
    const opened = await shop();
    const sent = { tag: randomUUID(), headers: keyed() };
    const first = await post(opened, '/twice', sent);
    expect(new Set(first.body['txids'] as string[]).size).toBe(2);
    expect((await post(opened, '/twice', sent)).body).toEqual(first.body);
    const again = await post(opened, '/again', { headers: keyed() });
    expect(again.status).toBe(500);
  });

  it('an abort has the status that the service gives it, and says nothing of the reason', async () => {
    const plan = { a: { vote: 'abort' }, b: {} } as const;
    const headers = keyed();
    const tag = randomUUID();
    const usual = await post(await shop(), '/orders', { plan, tag, headers });
    expect([usual.status, usual.body]).toEqual([
      409,
      {
        type: 'urn:verdict:problem:refused',
        title: 'The transaction was refused',
        status: 409,
        detail: expect.not.stringContaining('participant'),
      },
    ]);
    expect(usual.headers.has('retry-after')).toBe(false);
    // The participant would be asked again: it is not, and the answer says that it is an old one.
    const own = await shop({
      statusOf: ({ code, participant }) =>
        code === 'VOTED_ABORT' ? { status: 402, title: `No money in ${participant}` } : undefined,
    });
    const repeated = await post(own, '/orders', { plan, tag, headers });
    expect([repeated.status, repeated.body['title']]).toEqual([402, 'No money in a']);
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(applied(tag)).toBe(0);
  });

  it('what cannot be carried out at the moment is 503, with when to try again', async () => {
    const opened = await shop({ transact: { retry: false } });
    const plan = { a: {}, nobody: {} };
    const answer = await post(opened, '/orders', { plan, headers: keyed() });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([
      503,
      expect.stringMatching(/^[1-9]\d*$/),
    ]);
    expect(answer.text).not.toMatch(/nobody|127\.0\.0\.1/);
  });

  it('an outcome that could not be learnt in time is 504, and the same key asks for it', async () => {
    const opened = await shop({ transact: { timeoutMs: 300, retry: false } });
    const sent = { tag: randomUUID(), plan: { a: { delayMs: 1_500 }, b: {} } };
    const key = keyed();
    const unknown = await post(opened, '/orders', { ...sent, headers: key });
    expect([unknown.status, unknown.headers.get('retry-after')]).toEqual([504, '1']);
    expect(unknown.body['detail']).toContain('same Idempotency-Key');
    const told = await eventually(
      async () => {
        const answer = await post(opened, '/orders', { ...sent, headers: key });
        return answer.status === 504 ? null : answer;
      },
      () => 'the outcome',
    );
    expect(told.status).toBe(201);
    await appliedOnce(sent.tag);
    // Without a key no one could ask for it: it ends within the call, with time left to hear so.
    const timeoutMs = 3_000 * slownessFactor;
    const tag = randomUUID();
    const patient = await shop({ transact: { timeoutMs, retry: false } });
    const plan = { a: { delayMs: 2 * timeoutMs }, b: {} };
    const without = await post(patient, '/optional', { plan, tag });
    expect([without.status, without.headers.get('retry-after')]).toEqual([503, '1']);
    expect(without.body['detail']).toContain('Nothing was changed');
    expect(applied(tag)).toBe(0);
  });

  it('steps in withTransaction commit together; under a key they are refused', async () => {
    const opened = await shop();
    const tag = randomUUID();
    const done = await post(opened, '/steps', { tag, headers: keyed() });
    expect([done.status, done.body]).toEqual([200, { key: null }]);
    await appliedOnce(tag);
    const refused = await post(opened, '/steps', { plan: { a: { vote: 'abort' } } });
    expect([refused.status, refused.body['type']]).toEqual([409, 'urn:verdict:problem:refused']);
    const [late] = [randomUUID()];
    const withKey = await post(opened, '/steps-with-key', { tag: late, headers: keyed() });
    expect(withKey.status).toBe(500);
    expect(applied(late)).toBe(0);
  });

  it("what a handler throws is the framework's", async () => {
    const broken = await post(await shop(), '/broken');
    expect(broken.status).toBe(418);
    expect(broken.headers.get('content-type')).not.toContain('problem');
    expect(broken.text).toContain('of the handler');
  });

  it('a close waits for what is under way', async () => {
    const opened = await shop();
    const tag = randomUUID();
    const sent = { tag, plan: { a: { delayMs: 500 }, b: {} }, headers: keyed() };
    const answer = post(opened, '/orders', sent);
    await eventually(
      () =>
        cluster
          .participant('b')
          .state()
          .held.some((held) => held.tag === tag) || null,
      () => 'the request to be under way',
    );
    await opened.close();
    expect((await answer).status).toBe(201);
    await expect(opened.client.begin()).rejects.toMatchObject({ code: 'CLOSED' });
    shops.splice(0);
    await appliedOnce(tag);
  });

  it.each(['after-prepare', 'decision-in-flight', 'decision-durable', 'after-outcome'] as const)(
    'the node dies by kill -9 (%s) and the browser, tired of waiting, sends the key again: one effect',
    async (crashAt) => {
      const opened = await shop();
      await cluster.node.kill();
      expect(await cluster.node.start({ crashAt })).toBe(true);
      const dead = cluster.node.child.exited;
      const sent = { tag: randomUUID(), headers: keyed() };
      const tired = new AbortController();
      const first = post(opened, '/orders', { ...sent, signal: tired.signal }).catch(() => null);
      await dead;
      tired.abort();
      const second = post(opened, '/orders', sent);
      expect(await cluster.node.start()).toBe(true);
      await first;
      expect((await second).status).toBe(201);
      const third = await post(opened, '/orders', sent);
      expect([third.status, third.body.txid]).toEqual([201, (await second).body.txid]);
      await appliedOnce(sent.tag);
    },
  );
});
