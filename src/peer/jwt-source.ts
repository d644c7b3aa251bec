/** Where a link has its JWTs from. Loaded only where one is given. */
import { thrownLine } from '../core/thrown.ts';
import type { Clock } from '../ports/clock.ts';
import type { CloseInfo, Credential } from '../ports/transport.ts';
import { isJwtText, jwtProblem } from '../wire/jwt.ts';
import { type Jwt, wantedJwt } from './jwt.ts';

/** What is under way, and can be given up. */
export interface Cancellable {
  cancel(): void;
}

interface Patience {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export class JwtSource {
  readonly #jwt: Jwt;

  constructor(jwt: Jwt) {
    this.#jwt = jwt;
  }

  /** One text: it is over when it is over. */
  get isFixed(): boolean {
    return typeof this.#jwt === 'string';
  }

  /**
   * Connects with a fresh one, where the connection has TLS. What fails before that is told as a
   * dial that failed.
   */
  dial(
    url: string,
    { clock, timeoutMs }: Patience,
    events: {
      connect(credential: Credential): Cancellable;
      /** There is no fresh one. */
      without(problem: string): void;
      failed(info: CloseInfo): void;
    },
  ): Cancellable {
    const problem = jwtProblem(url);
    if (problem !== null) {
      return clock.setTimer(0, () =>
        events.failed({ ...failed, reason: problem, status: 401, said: problem }),
      );
    }
    if (typeof this.#jwt === 'string') return events.connect({ jwt: this.#jwt });
    let underWay = this.fresh(
      { clock, timeoutMs },
      {
        got: (jwt) => {
          underWay = events.connect({ jwt });
        },
        failed: (reason) => {
          events.without(reason);
          events.failed({ ...failed, reason });
        },
      },
    );
    return { cancel: () => underWay.cancel() };
  }

  /**
   * Asks for one. Exactly one of the events is called, within `timeoutMs`, and none after `cancel`.
   * A function that hangs is left behind.
   */
  fresh(
    given: Patience,
    events: { got(jwt: string): void; failed(problem: string): void },
  ): Cancellable {
    const jwt = this.#jwt;
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
    new Promise<unknown>((resolve) => resolve(typeof jwt === 'string' ? jwt : jwt())).then(
      (text) =>
        once(() => {
          if (isJwtText(text)) events.got(text);
          else
            events.failed(`There is no JWT: jwt() must return ${wantedJwt.split(', or', 1)[0]}.`);
        }),
      (error: unknown) =>
        once(() => events.failed(`There is no JWT: jwt() failed: ${thrownLine(error)}`)),
    );
    return { cancel };
  }
}

const failed = { code: 1006, kind: 'failed' } as const;
