/** The JWT that an SDK shows: one text, or where a fresh one is had from. */
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import { isJwtText } from '../wire/jwt.ts';
import { maxJwtBytes } from '../wire/limits.ts';

/** A function is called for each connection, and again before its JWT expires. */
export type Jwt = string | (() => string | Promise<string>);

const wanted = `a JWT as text (three parts with dots between, ${maxJwtBytes} characters at most), or a function that returns one or a promise of one`;

/** Throws a TypeError for what can be none, and where there is a token as well. */
export function checkJwt(jwt: Jwt | undefined, token: string | undefined): void {
  if (jwt === undefined) return;
  if (token !== undefined) {
    throw new TypeError('token and jwt are two credentials: give the one that the nodes know.');
  }
  if (typeof jwt !== 'function' && !isJwtText(jwt)) throw new TypeError(`jwt must be ${wanted}.`);
}

/**
 * Asks for one. Exactly one of the events is called, within `timeoutMs`, and none after `cancel`;
 * at once where it is a text. A function that hangs is left behind.
 */
export function freshJwt(
  jwt: Jwt,
  given: { readonly clock: Clock; readonly timeoutMs: number },
  events: { got(jwt: string): void; failed(problem: string): void },
): { cancel(): void } {
  if (typeof jwt === 'string') {
    events.got(jwt);
    return { cancel: () => undefined };
  }
  let isOver = false;
  const once = (then: () => void): void => {
    if (isOver) return;
    cancel();
    then();
  };
  const { timeoutMs } = given;
  const timer = given.clock.setTimer(timeoutMs, () =>
    once(() => events.failed(`There is no JWT: jwt() gave none within ${timeoutMs} ms.`)),
  );
  const cancel = (): void => {
    isOver = true;
    timer.cancel();
  };
  // A function that throws rejects here.
  new Promise<unknown>((resolve) => resolve(jwt())).then(
    (text) =>
      once(() => {
        if (isJwtText(text)) events.got(text);
        else events.failed(`There is no JWT: jwt() must return ${wanted.split(', or', 1)[0]}.`);
      }),
    (error: unknown) =>
      once(() => events.failed(`There is no JWT: jwt() failed: ${thrownLine(error)}`)),
  );
  return { cancel };
}
