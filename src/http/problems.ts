/**
 * What each outcome is in HTTP: one table, from the reason of an abort or the code of an error to a
 * status, when to try again, and a body (RFC 9457). The body says what a caller of the service can
 * use, in words of its own. What Verdict or a participant said is for the service: it names
 * participants, nodes and keys.
 */
import type { AbortReason, ReasonCode } from '../core/catalogue.ts';
import type { VerdictError, VerdictErrorCode } from '../peer/verdict-error.ts';

/** What a response is made of. */
export interface Problem {
  /** The HTTP status. */
  readonly status: number;
  /** `Retry-After`, in whole seconds; null: none. */
  readonly retryAfterSeconds: number | null;
  /** For `application/problem+json`. */
  readonly body: ProblemBody;
}

/** A problem of RFC 9457. */
export interface ProblemBody {
  /** Stable, to match on: `urn:verdict:problem:` and a kind. */
  readonly type: string;
  /** The kind, in words. */
  readonly title: string;
  /** The same as the response's. */
  readonly status: number;
  /** What to do about it. */
  readonly detail: string;
  /** Of an outcome that is not known, where it is: the txid, to ask the service about. */
  readonly transaction?: string;
}

/** The last part of a problem's `type`. */
export type ProblemKind =
  | 'key-missing'
  | 'key-malformed'
  | 'key-reused'
  | 'key-expired'
  | 'refused'
  | 'conflict'
  | 'unprocessable'
  | 'too-large'
  | 'unavailable'
  | 'bad-participant'
  | 'outcome-unknown'
  | 'internal';

const nothingHappened = 'Nothing was changed.';
/** Of a request with a key that was refused as it is: one before it with that key may stand. */
const nothingDone = 'Nothing was done now.';
/** Where other transactions of the request may have committed, and where that is not known here. */
const ofPart: ReadonlyMap<string, { readonly part: string; readonly unsure: string }> = new Map([
  [
    nothingHappened,
    {
      part: 'This part of the request changed nothing; what other parts of it did stands.',
      unsure: 'This transaction changed nothing.',
    },
  ],
  [
    nothingDone,
    {
      part: 'This part of the request did nothing now; what other parts of it did stands.',
      unsure: 'This transaction did nothing now.',
    },
  ],
]);
/** Where no one was asked what an earlier request with the key has done. */
const notNow = `${nothingDone} What became of an earlier request with this Idempotency-Key is not known here: send it again with the same key.`;
const kinds: Readonly<Record<ProblemKind, Kind>> = {
  'key-missing': {
    status: 400,
    title: 'Idempotency-Key is missing',
    detail:
      'Send the header Idempotency-Key with a new random value, and the same value when you repeat the request.',
  },
  'key-malformed': {
    status: 400,
    title: 'Idempotency-Key is malformed',
    detail: 'Send it as a string in double quotes.',
  },
  'key-reused': {
    status: 422,
    title: 'Idempotency-Key was used for another request',
    detail: `The key was sent before, with other content, and what came of that stands. ${nothingDone} Use a new key for a new request.`,
  },
  'key-expired': {
    status: 410,
    title: 'Idempotency-Key is too old',
    detail:
      'What became of the first request with this key is no longer known. Look whether it had its effect before you send it with a new key.',
  },
  refused: {
    status: 409,
    title: 'The transaction was refused',
    detail: `The state of what it is about does not allow it. ${nothingHappened}`,
  },
  conflict: {
    status: 409,
    title: 'The transaction met another one',
    detail: `What it is about is being changed by another request. ${nothingHappened} Try again.`,
    retryAfterSeconds: 1,
  },
  unprocessable: {
    status: 422,
    title: 'The content cannot be processed',
    detail: `A part of the transaction does not accept this content. ${nothingHappened}`,
  },
  'too-large': {
    status: 413,
    title: 'The transaction is too large',
    detail: `Send less at a time. ${nothingHappened}`,
  },
  unavailable: {
    status: 503,
    title: 'The transaction could not be carried out at the moment',
    detail: `${nothingHappened} Try again later.`,
    retryAfterSeconds: 1,
  },
  'bad-participant': {
    status: 502,
    title: 'A part of the transaction answered wrongly',
    detail: nothingHappened,
  },
  'outcome-unknown': {
    status: 504,
    title: 'The outcome is not known yet',
    detail:
      'The transaction has one outcome, or will have one, but it could not be learnt in time.',
  },
  internal: {
    status: 500,
    title: 'The transaction failed',
    detail: 'The service has a fault. Its log says more.',
  },
};

interface Kind {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}

const kindOfReason: Readonly<Record<ReasonCode, ProblemKind>> = {
  VOTED_ABORT: 'refused',
  INVALID_PAYLOAD: 'unprocessable',
  INVALID_RESULT: 'bad-participant',
  CONFLICT: 'conflict',
  LOCK_TIMEOUT: 'unavailable',
  DEADLOCK: 'unavailable',
  RESOURCE_UNAVAILABLE: 'unavailable',
  PREPARE_TIMEOUT: 'unavailable',
  PARTICIPANT_UNAVAILABLE: 'unavailable',
  TRANSACTION_TIMEOUT: 'unavailable',
  ROLLED_BACK: 'refused',
  FORCED: 'unavailable',
  TOO_LARGE: 'too-large',
  LEADER_CHANGED: 'unavailable',
};

/** Where the service itself is refused by the cluster, its caller learns no more than that. */
const kindOfError: Readonly<Record<VerdictErrorCode, ProblemKind>> = {
  NOT_LEADER: 'unavailable',
  BUSY: 'unavailable',
  LOG_UNAVAILABLE: 'unavailable',
  UNKNOWN_TRANSACTION: 'internal',
  UNKNOWN_BRANCH: 'internal',
  EXPIRED: 'key-expired',
  ALREADY_COMMITTED: 'key-expired',
  WRONG_STATE: 'internal',
  INVALID_MESSAGE: 'internal',
  UNSUPPORTED_VERSION: 'internal',
  UNAUTHENTICATED: 'internal',
  FORBIDDEN: 'internal',
  JOURNAL_COPIED: 'internal',
  REQUEST_CONFLICT: 'key-reused',
  TOO_LARGE: 'too-large',
  LIMIT_EXCEEDED: 'internal',
  DEADLOCK: 'unavailable',
  LOCK_TIMEOUT: 'unavailable',
  OUTCOME_UNKNOWN: 'outcome-unknown',
  INTERNAL: 'internal',
  CONNECTION_LOST: 'unavailable',
  TIMEOUT: 'unavailable',
  ABORTED_BY_CALLER: 'unavailable',
  CLOSED: 'unavailable',
  INVALID_PAYLOAD: 'unprocessable',
};

/** With a text of one's own where the kind's is not enough. */
export function problemOf(
  kind: ProblemKind,
  detail?: string,
  { isPart = false }: OfRequest = {},
): Problem {
  const { status, title, retryAfterSeconds, ...rest } = kinds[kind];
  const text = detail ?? rest.detail;
  let said = text;
  if (isPart !== false) {
    for (const [whole, { part, unsure }] of ofPart) {
      said = said.replace(whole, isPart === null ? unsure : part);
    }
  }
  const body = { type: typeOf(kind), title, status, detail: said };
  return { status, retryAfterSeconds: retryAfterSeconds ?? null, body };
}

/** What a service's own abort is: its status, or more of the problem. */
export type StatusOf = (reason: AbortReason) => number | Partial<AbortProblem> | undefined;

/** What `statusOf` may say of an abort. */
export interface AbortProblem {
  /** From 400 to 599. */
  readonly status: number;
  /** In place of `urn:verdict:problem:...`. */
  readonly type: string;
  /** The kind, in words. */
  readonly title: string;
  /** For the caller: of what the participant said, what he may know. */
  readonly detail: string;
}

interface OfRequest {
  /**
   * Other transactions of the same request may have had an effect; null: not known here. Default
   * false.
   */
  readonly isPart?: boolean | null;
}

export function problemOfAbort(
  reason: AbortReason,
  statusOf: StatusOf = () => undefined,
  of: OfRequest = {},
): Problem {
  const kind = kindOfReason[reason.code] ?? 'refused';
  // A participant that voted abort says itself whether the same may succeed later.
  const usual = problemOf(
    kind === 'refused' && reason.retryable ? 'conflict' : kind,
    undefined,
    of,
  );
  const asked = usual.retryAfterSeconds === null ? null : secondsOf(reason.retryAfterMs);
  const retryAfterSeconds = asked ?? usual.retryAfterSeconds;
  const said = statusOf(reason);
  if (said === undefined) return { ...usual, retryAfterSeconds };
  const { status = usual.status, ...more } = typeof said === 'number' ? { status: said } : said;
  if (!Number.isInteger(status) || status < 400 || status > 599) {
    throw new RangeError(
      `statusOf must give a status from 400 to 599 for an abort, not ${String(status)}.`,
    );
  }
  return { status, retryAfterSeconds, body: { ...usual.body, ...more, status } };
}

/** `repeatable`: the request had a key, so that sending it again asks for its outcome. */
export function problemOfError(
  error: VerdictError,
  { repeatable, isPart = false }: OfRequest & { readonly repeatable: boolean },
): Problem {
  const kind = kindOf(error, repeatable);
  const usual = problemOf(kind, detailOf(error, { kind, repeatable, isPart }), { isPart });
  if (usual.status !== 504) {
    const asked = usual.retryAfterSeconds === null ? null : secondsOf(error.retryAfterMs);
    return asked === null ? usual : { ...usual, retryAfterSeconds: asked };
  }
  const { txid } = error;
  const detail = repeatable
    ? `${usual.body.detail} Send the same request with the same Idempotency-Key again: you get its outcome, and it has its effect once at most.`
    : `${usual.body.detail} Do not send it again before you know: it may have its effect twice.`;
  return {
    ...usual,
    // Without a key no one should send it again.
    retryAfterSeconds: repeatable ? 1 : null,
    body: { ...usual.body, detail, ...(txid === undefined ? {} : { transaction: txid }) },
  };
}

/** What is no outcome says nothing of what was sent with the key before. */
function detailOf(
  { code, message }: VerdictError,
  {
    kind,
    repeatable,
    isPart,
  }: Required<OfRequest> & { readonly kind: ProblemKind; readonly repeatable: boolean },
): string {
  const nothing = repeatable || isPart === null ? nothingDone : nothingHappened;
  // Of what the caller sent, and in words of the client's own: no one else has seen it.
  if (code === 'INVALID_PAYLOAD') return `${message} ${nothing}`;
  // (!) A request commits, and its response is lost. The node dies; the same key is sent again, and
  // reaches no one. That this one did nothing says nothing of the first.
  if (kind === 'unavailable' && repeatable) return notNow;
  return kinds[kind].detail.replace(nothingHappened, nothing);
}

/**
 * What may have had an effect is no failure: its outcome is unknown. So is one that has expired,
 * where there was no key that could have.
 */
function kindOf({ code, acted }: VerdictError, repeatable: boolean): ProblemKind {
  const kind = kindOfError[code] ?? 'internal';
  if (kind === 'key-expired' && !repeatable) return 'outcome-unknown';
  return kind === 'unavailable' && acted === 'unknown' ? 'outcome-unknown' : kind;
}

function secondsOf(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.max(1, Math.ceil(ms / 1_000));
}

function typeOf(kind: ProblemKind): string {
  return `urn:verdict:problem:${kind}`;
}
