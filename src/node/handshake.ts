/**
 * From the opening of a connection to the answer to its hello: how long that may take, whether the
 * peer is let in, and what waits behind its hello meanwhile.
 */
import { type Hello, protocolVersion, type ToNode } from '../core/messages.ts';
import type { Timer } from '../ports/clock.ts';
import { type Admittance, isRefusal } from './admission.ts';
import type { Session, SessionHost } from './session.ts';

/** That a peer may send before it is welcomed, while it is looked up whether it may be let in. */
const maxEarly = 64;
/** To read what may lie there already, through TLS as well. */
const readMs = 50;

export class Handshake {
  readonly #session: Session;
  readonly #host: SessionHost;
  #claimed: Hello | null = null;
  #timer: Timer | null;
  #ended = false;
  /** Messages behind a hello that is being looked at; null: none is. */
  #early: ToNode[] | null = null;

  constructor(session: Session, host: SessionHost) {
    this.#session = session;
    this.#host = host;
    const { clock, options } = host.given;
    const refuse = (): void => {
      this.#timer = null;
      const text = `No hello came within ${options.handshakeTimeoutMs} ms.`;
      session.refuse('UNAUTHENTICATED', text);
    };
    // A process that was stopped comes to its timers before it reads what came meanwhile.
    const read = (): void => {
      this.#timer = clock.setTimer(readMs, refuse);
    };
    this.#timer = clock.setTimer(options.handshakeTimeoutMs, read);
  }

  /** What the peer said of itself, accepted or not. */
  get claimed(): Hello | null {
    return this.#claimed;
  }

  /** A hello is being looked at: what comes is to wait. */
  get isPending(): boolean {
    return this.#early !== null;
  }

  wait(message: ToNode): void {
    if (this.#early === null) return;
    if (this.#early.length < maxEarly) this.#early.push(message);
    else {
      const text = 'Wait for the welcome before you send so much.';
      this.#session.refuse('INVALID_MESSAGE', text);
    }
  }

  /** The connection is over. */
  end(): void {
    this.#ended = true;
    this.#early = null;
    this.#timer?.cancel();
  }

  greet(hello: Hello): void {
    const session = this.#session;
    if (session.hello !== null) {
      session.fail(undefined, 'INVALID_MESSAGE', 'hello was said already.');
      return;
    }
    this.#claimed = hello;
    if (hello.protocol !== protocolVersion) {
      const text = `This node speaks protocol ${protocolVersion}, not ${hello.protocol}.`;
      session.refuse('UNSUPPORTED_VERSION', text);
      return;
    }
    const admittance = this.#host.admission.admit(hello, session.connection);
    if (!(admittance instanceof Promise)) {
      this.#answer(hello, admittance);
      return;
    }
    this.#early = [];
    void admittance.then((answer) => {
      const early = this.#early ?? [];
      this.#early = null;
      if (this.#ended) return;
      this.#answer(hello, answer);
      if (session.hello === null) return;
      for (const message of early) session.message(message);
    });
  }

  #answer(hello: Hello, admittance: Admittance): void {
    const session = this.#session;
    if (isRefusal(admittance)) {
      session.refuse(admittance.code, admittance.message, admittance);
      return;
    }
    // It broke a rule meanwhile, and was told so.
    if (session.refusal !== null) return;
    const { rights } = admittance;
    const full = rights === null ? null : this.#host.admission.connect(hello, rights);
    if (full !== null) {
      session.refuse(full.code, full.message, full);
      return;
    }
    this.#timer?.cancel();
    this.#timer = null;
    session.letIn(hello, admittance);
  }
}
