/** What a process has of the world, taken from it at once: what is left of it then does nothing. */
import type { Clock, Timer } from '../ports/clock.ts';

/** Whether it lives; `end` is told what to take away. */
export class Life {
  readonly #atEnd = new Set<() => void>();
  #over = false;

  get isOver(): boolean {
    return this.#over;
  }

  atEnd(callback: () => void): void {
    if (this.#over) callback();
    else this.#atEnd.add(callback);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const callback of this.#atEnd) callback();
    this.#atEnd.clear();
  }
}

/** Time as long as it lives: no timer of it fires afterwards. */
export function mortalClock(clock: Clock, life: Life): Clock {
  const timers = new Set<Timer>();
  life.atEnd(() => {
    for (const timer of timers) timer.cancel();
    timers.clear();
  });
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    setTimer: (delayMs, callback) => {
      if (life.isOver) return { cancel: () => undefined };
      const timer = clock.setTimer(delayMs, () => {
        timers.delete(timer);
        if (!life.isOver) callback();
      });
      timers.add(timer);
      return {
        cancel: () => {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
  };
}

/**
 * The same object, whose named methods do nothing once the life is over, and answer nothing: what
 * has called one goes on waiting. A method under way then answers nothing either.
 */
export function mortal<Target extends object>(
  target: Target,
  life: Life,
  methods: readonly (keyof Target)[],
): Target {
  // The target is empty: a proxy may not tell other values than a frozen one has.
  return new Proxy({} as Target, {
    get: (_target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!methods.includes(name as keyof Target)) return value.bind(target);
      return (...given: unknown[]): unknown => {
        if (life.isOver) return never();
        const answer: unknown = value.apply(target, given);
        return isPromise(answer) ? whileAlive(answer, life) : answer;
      };
    },
    has: (_target, name) => Reflect.has(target, name),
  });
}

/** Not by its class: jest's environment has another one than Node's own modules. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null)?.then === 'function';
}

function whileAlive<Value>(answer: PromiseLike<Value>, life: Life): Promise<Value> {
  return new Promise((resolve, reject) => {
    answer.then(
      (value) => life.isOver || resolve(value),
      (error: unknown) => life.isOver || reject(error),
    );
  });
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
