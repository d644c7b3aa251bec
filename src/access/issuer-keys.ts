/**
 * The keys of one issuer, a JWKS from a file or a URL. What is known goes on to work whatever
 * becomes of its source, and is never waited for: it is read again beside the checking. Only a key
 * that is not known is looked for first, and that seldom: someone who makes key ids up must not
 * make the node ask.
 */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import { parseJson } from '../system/json-text.ts';
import type { IssuerEntry } from './access-file.ts';

/** It may well be right: the keys are out of reach for now. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError';
}

/** From one look for new keys to the next. */
const cooldownMs = 30_000;
/** After one that failed: without keys no one comes in. */
const failedCooldownMs = 2_000;
/** Keys that were taken out by the issuer count no longer than this, if it can be reached. */
const freshMs = 300_000;
const patienceMs = 1_000;
const fetchTimeoutMs = 5_000;
const maxBytes = 1_048_576;

export class IssuerKeys {
  readonly #source: IssuerEntry['keys'];
  readonly #clock: Clock;
  #keys: JWTVerifyGetKey | null = null;
  #loading: Promise<void> | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #usedAtMs = Number.NEGATIVE_INFINITY;
  /** No earlier than this. */
  #nextMs = Number.NEGATIVE_INFINITY;
  #problem = '';
  #reads = 0;

  constructor(source: IssuerEntry['keys'], clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === null) await this.load();
    else if (this.#ageMs() > freshMs) await this.#refresh();
    this.#usedAtMs = this.#clock.monotonicMs();
    const key = await this.#known(header, token);
    if (key !== null) return key;
    await this.load();
    const later = await this.#known(header, token);
    if (later !== null) return later;
    throw new errors.JWKSNoMatchingKey();
  };

  /** How many times they were read. */
  get reads(): number {
    return this.#reads;
  }

  /**
   * Beside the checking. Only the first one after a time without any waits a moment: no one has
   * looked since then whether the issuer took keys out.
   */
  async #refresh(): Promise<void> {
    const look = this.#look();
    if (this.#clock.monotonicMs() - this.#usedAtMs <= freshMs) return;
    const late = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(patienceMs, () => late.resolve());
    await Promise.race([look, late.promise]);
    timer.cancel();
  }

  #ageMs(): number {
    return this.#clock.monotonicMs() - this.#readAtMs;
  }

  async #known(
    ...[header, token]: Parameters<JWTVerifyGetKey>
  ): Promise<Awaited<ReturnType<JWTVerifyGetKey>> | null> {
    try {
      return (await this.#keys?.(header, token)) ?? null;
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return null;
      throw error;
    }
  }

  /** Seldom, as above. Rejects where the newest look, this one or one before it, has failed. */
  async load(): Promise<void> {
    await this.#look();
    if (this.#problem !== '') throw new KeysUnavailableError(this.#problem);
  }

  /** One at a time; none within the cool-down. Never rejects. */
  #look(): Promise<void> {
    if (this.#loading !== null) return this.#loading;
    if (this.#clock.monotonicMs() < this.#nextMs) return Promise.resolve();
    this.#loading = this.#read()
      .then((keys) => {
        this.#keys = createLocalJWKSet(keys);
        this.#reads += 1;
        this.#readAtMs = this.#clock.monotonicMs();
        this.#nextMs = this.#readAtMs + cooldownMs;
        this.#problem = '';
      })
      .catch((error: unknown) => {
        this.#problem = `The keys ${placeOf(this.#source)} cannot be read: ${whyOf(error)}`;
        this.#nextMs = this.#clock.monotonicMs() + failedCooldownMs;
      })
      .finally(() => {
        this.#loading = null;
      });
    return this.#loading;
  }

  async #read(): Promise<JSONWebKeySet> {
    const source = this.#source;
    const text =
      'url' in source ? await this.#fetch(source.url) : await readFile(source.file, 'utf8');
    return parseJson(text) as JSONWebKeySet;
  }

  async #fetch(url: string): Promise<string> {
    const { signal, abort } = abortable();
    const timer = this.#clock.setTimer(fetchTimeoutMs, () =>
      abort(new Error(`no answer within ${fetchTimeoutMs} ms`)),
    );
    try {
      const headers = { accept: 'application/jwk-set+json, application/json' };
      const response = await fetch(url, { signal, headers, redirect: 'error' });
      if (response.status !== 200) throw new Error(`it answers ${response.status}`);
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of response.body ?? []) {
        bytes += chunk.byteLength;
        if (bytes > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      timer.cancel();
      // What was not read is not waited for.
      abort(new Error('done'));
    }
  }
}

/** Of a URL neither the query nor a password: they may be secret. */
export function bareUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function placeOf(source: IssuerEntry['keys']): string {
  return 'file' in source ? `in ${source.file}` : `at ${bareUrl(source.url)}`;
}

/** What `fetch` throws quotes the URL; its cause does not. */
function whyOf(error: unknown): string {
  const cause = error instanceof TypeError ? error.cause : undefined;
  return thrownLine(cause ?? (error instanceof TypeError ? 'the request failed' : error));
}

function abortable(): { readonly signal: AbortSignal; abort(reason: Error): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
}
