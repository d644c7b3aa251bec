/**
 * Questions for another node, handed on over the link to it. An operator's page speaks to the one
 * node that it came from, and what transactions there are is known where they are led.
 *
 * Only what looks is handed on: it is asked in this node's name, and an action must be done in that
 * of whoever wants it, for the audit log.
 */
import { type ErrorCode, errorCodes } from '../core/codes.ts';
import type { Info, List, Locks, Stats, ToNode } from '../core/messages.ts';
import { Shares } from '../core/shares.ts';
import type { Link } from '../peer/link.ts';
import { VerdictError } from '../peer/verdict-error.ts';
import type { Session } from './session.ts';

export type Relayed = (Info | List | Locks | Stats) & { readonly at: string };

/** That wait for other nodes at once, of all askers: none may have all places. */
const maxWaiting = 64;
const timeoutMs = 2_000;

const types: ReadonlySet<ToNode['type']> = new Set(['info', 'list', 'locks', 'stats']);

export function isRelayed(message: ToNode, own: string): message is Relayed {
  return types.has(message.type) && 'at' in message && message.at !== own;
}

export class Relay {
  readonly #linkTo: (node: string) => Link | null;
  readonly #places = new Shares(maxWaiting);

  constructor(linkTo: (node: string) => Link | null) {
    this.#linkTo = linkTo;
  }

  ask(session: Session, message: Relayed): void {
    const { id, at, ...question } = message;
    const link = this.#linkTo(at);
    if (link === null) {
      session.fail(id, 'BUSY', outOfReach, { retryAfterMs: 500 });
      return;
    }
    const { origin } = session;
    if (!this.#places.admits(origin, 1)) {
      session.fail(id, 'BUSY', tooManyWait, { retryAfterMs: 100 });
      return;
    }
    this.#places.take(origin, 1);
    link
      .request(question, { timeoutMs })
      .then(
        (reply) => session.send({ ...reply, id }),
        (error: unknown) => refuse(session, id, error),
      )
      .finally(() => {
        this.#places.take(origin, -1);
      });
  }
}

function refuse(session: Session, id: number, error: unknown): void {
  if (!(error instanceof VerdictError) || !isWire(error.code)) {
    session.fail(id, 'BUSY', noAnswer, { retryAfterMs: 500 });
  } else if (error.code === 'FORBIDDEN') {
    session.fail(id, 'FORBIDDEN', tooOld);
  } else {
    session.fail(id, error.code, error.message);
  }
}

function isWire(code: string): code is ErrorCode {
  return (errorCodes as readonly string[]).includes(code);
}

const outOfReach =
  'This node has no connection to the one that is to answer. Ask again, or ask that one itself.';
const noAnswer = 'The node that is to answer did not. Ask again, or ask that one itself.';
const tooManyWait = 'As many questions wait for other nodes as may. Ask again later.';
const tooOld =
  'The node that is to answer does not answer other nodes: it is too old for that, or the access file denies it. Ask that one itself.';
