/**
 * What a connection was let in by. Where it expires, the connection ends with it, unless the peer
 * has shown a fresh one of the same identity by then.
 */
import { RateLimit } from '../coordinator/rate-limit.ts';
import type { Renew } from '../core/messages.ts';
import type { Credited, Who } from '../ports/access.ts';
import type { Timer } from '../ports/clock.ts';
import type { Session, SessionHost } from './session.ts';

/** It is looked at again after so long: the wall clock may be set. */
const maxExpiryMs = 60_000;

/** Of its time: earlier than that no one needs another. */
const freshPart = 0.25;
/** Of one connection, at once and from then on: each costs a signature. */
const maxBurst = 5;
const perSecond = 1;
/** Wrong ones. Whoever has no right one by then comes again. */
const maxWrong = 5;

export class HeldCredential {
  readonly #session: Session;
  readonly #host: SessionHost;
  #who: Who | null = null;
  #expiry: Timer | null = null;
  readonly #pace: RateLimit;
  #renewing = false;
  #wrong = 0;
  /** Before then, by the monotonic clock, it is as good as new. */
  #freshUntilMs = 0;
  #ended = false;

  constructor(session: Session, host: SessionHost) {
    this.#session = session;
    this.#host = host;
    this.#pace = new RateLimit(host.given.clock, maxBurst, perSecond);
  }

  /** Null: it was not let in yet. */
  get who(): Who | null {
    return this.#who;
  }

  get expiresInMs(): number | undefined {
    const atMs = this.#who?.expiresAtMs ?? null;
    if (atMs === null) return undefined;
    return Math.max(0, Math.round(atMs - this.#host.given.clock.wallMs()));
  }

  take(who: Who): void {
    this.#who = who;
    this.#expire();
  }

  end(): void {
    this.#ended = true;
    this.#expiry?.cancel();
  }

  #expire(): void {
    this.#expiry?.cancel();
    const inMs = this.expiresInMs;
    if (inMs === undefined) return;
    this.#expiry = this.#host.given.clock.setTimer(Math.min(inMs, maxExpiryMs), () => {
      // The wall clock may have been set, or its time be longer than a timer's.
      if ((this.expiresInMs ?? 0) > 0) return this.#expire();
      const session = this.#session;
      session.send({ type: 'goaway', reason: 'The credential of this connection has expired.' });
      session.end(1008, 'The credential has expired.');
    });
  }

  renew({ id, token }: Renew): void {
    const session = this.#session;
    if (this.expiresInMs === undefined) {
      session.fail(id, 'INVALID_MESSAGE', 'The credential of this connection does not expire.');
      return;
    }
    // Each may be a signature to check, or wait for an issuer.
    if (this.#renewing) {
      session.fail(id, 'BUSY', 'The credential before this one is still being looked at.');
      return;
    }
    const freshMs = Math.ceil(this.#freshUntilMs - this.#host.given.clock.monotonicMs());
    const retryAfterMs = freshMs > 0 ? freshMs : this.#pace.take();
    if (retryAfterMs > 0) {
      session.fail(id, 'BUSY', 'It is too early for another credential.', { retryAfterMs });
      return;
    }
    this.#renewing = true;
    const done = (credited: Credited): void => {
      this.#renewing = false;
      if (!this.#ended) this.#renewed(id, credited);
    };
    const credited = this.#host.admission.renews(token, session.connection, session.identity);
    if (credited instanceof Promise) void credited.then(done);
    else done(credited);
  }

  #renewed(id: number, credited: Credited): void {
    const session = this.#session;
    if (credited.status === 'wrong' && credited.passes === true) {
      session.fail(id, 'BUSY', credited.why);
      return;
    }
    const who = credited.status === 'right' ? credited.who : null;
    if (who === null || who.identity !== session.identity) {
      const why = credited.status === 'wrong' ? credited.why : 'It is of another identity.';
      session.fail(id, 'UNAUTHENTICATED', why);
      this.#wrong += 1;
      if (this.#wrong >= maxWrong) session.refuse('UNAUTHENTICATED', tooManyWrong);
      return;
    }
    this.#wrong = 0;
    this.take(who);
    this.#freshUntilMs = this.#host.given.clock.monotonicMs() + (this.expiresInMs ?? 0) * freshPart;
    this.#host.renewed(session, who);
    const expiresInMs = this.expiresInMs;
    session.send({ type: 'renewed', id, ...(expiresInMs === undefined ? {} : { expiresInMs }) });
  }
}

const tooManyWrong = `${maxWrong} credentials in a row were wrong. Come again with one that is right.`;
