/** What the plugin and the middleware take alike. */

import type { TransactOptions } from '../client/types.ts';
import { checkFields, type Fields, shown } from '../core/fields.ts';
import type { StatusOf } from './problems.ts';

/**
 * Whether a request has an Idempotency-Key: it must, it may, or the header is not looked at. Of
 * GET, HEAD, OPTIONS and TRACE it is never looked at.
 */
export type IdempotencyMode = 'required' | 'optional' | 'off';

/** What the plugin and the middleware take alike. */
export interface HttpOptions<Request> {
  /**
   * Whose key it is, such as the signed-in user or the tenant: two who send the same key must not
   * meet, or one of them gets the answer of the other. It is called when a transaction needs it,
   * after authentication. `'everyone'`: all callers are one. There is no default.
   */
  readonly scopeOf: ((request: Request) => string | Promise<string>) | 'everyone';
  /** For routes that do not say otherwise. Default `optional`. */
  readonly idempotency?: IdempotencyMode | undefined;
  /**
   * How many milliseconds ago the caller made the key, where that can be known, such as from the
   * time within a UUID of version 7. A key that is older than the cluster's request window is then
   * refused with 410; without this it would be taken for a new one.
   */
  readonly keyAgeMs?: ((key: string, request: Request) => number | undefined) | undefined;
  /**
   * What an abort is to callers: a status, or more of the problem. Undefined: as the table in
   * docs/HTTP.md has it. Nothing of the reason gets out unless this puts it there.
   */
  readonly statusOf?: StatusOf | undefined;
  /**
   * Of each `transact` that does not say otherwise. Default `{ retry: true, timeoutMs: 20_000 }`.
   */
  readonly transact?: TransactOptions | undefined;
}

export const httpFields: Fields<HttpOptions<never>> = {
  scopeOf: 'any',
  idempotency: 'text',
  keyAgeMs: 'method',
  statusOf: 'method',
  transact: 'object',
};

/** Shorter than most gateways wait: what they would cut off is answered before. */
export const defaultTransact: TransactOptions = { retry: true, timeoutMs: 20_000 };

const modes: readonly unknown[] = ['required', 'optional', 'off'] satisfies IdempotencyMode[];

/** `fields`: of the framework's own options, beside these. */
export function checkHttpOptions(
  options: Readonly<Record<string, unknown>> | undefined,
  of: string,
  fields: Fields<Record<string, unknown>> = {},
): void {
  checkFields(options ?? {}, { ...httpFields, ...fields }, of);
  const { scopeOf, idempotency } = options ?? {};
  if (typeof scopeOf !== 'function' && scopeOf !== 'everyone') {
    throw new TypeError(
      `${of} need scopeOf: a function that says whose key a request has, such as (request) => request.user.id. Two users who send the same key must not meet. 'everyone' says that all callers are one.`,
    );
  }
  if (idempotency !== undefined) checkMode(idempotency, of);
}

export function checkMode(mode: unknown, of: string): asserts mode is IdempotencyMode {
  if (modes.includes(mode)) return;
  throw new TypeError(
    `idempotency in ${of} must be 'required', 'optional' or 'off', not ${shown(mode)}.`,
  );
}
