/**
 * Whatever would let the real world into a simulation throws while one runs: clocks, timers,
 * chance. Installed once in a process that simulates; outside a run everything works as ever.
 *
 * Promises are let settle by `drainMicrotasks`, within the run: it is synchronous from its first
 * event to its last, so nothing of the process's own can come in between.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';

let inside = false;
let installed = false;

/** Runs `body` with the real world shut out. */
export function shutIn<T>(body: () => T): T {
  install();
  if (inside) throw new Error('One simulation at a time.');
  inside = true;
  try {
    return body();
  } finally {
    inside = false;
  }
}

/**
 * Runs every promise reaction that is due, and those that these cause, to the end; then tells of
 * rejections that no one handled. It is what Node itself does after each callback, and the only
 * synchronous way in.
 */
export const drainMicrotasks: () => void = (
  process as unknown as { readonly _tickCallback: () => void }
)._tickCallback;

function install(): void {
  if (installed) return;
  installed = true;
  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) ban(globalThis, name);
  ban(process, 'nextTick');
  ban(process, 'hrtime');
  ban(Math, 'random');
  ban(performance, 'now');
  for (const name of ['randomBytes', 'randomFillSync', 'randomInt', 'randomUUID'] as const) {
    ban(crypto, name);
  }
  ban(globalThis.crypto, 'getRandomValues');
  ban(globalThis.crypto, 'randomUUID');
  syncBuiltinESMExports();
  banDate();
}

function ban<Name extends string>(
  owner: { [Key in Name]: (...given: never[]) => unknown },
  name: Name,
): void {
  const real = owner[name] as (...given: unknown[]) => unknown;
  const guarded = function (this: unknown, ...given: unknown[]): unknown {
    if (inside) throw leak(name);
    return Reflect.apply(real, this, given);
  };
  Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(real));
  Object.defineProperty(owner, name, { value: guarded, configurable: true, writable: true });
}

/** A date made of a number is data, and allowed. */
function banDate(): void {
  const real = globalThis.Date;
  globalThis.Date = new Proxy(real, {
    construct(target, given, newTarget) {
      if (inside && given.length === 0) throw leak('new Date()');
      return Reflect.construct(target, given, newTarget) as object;
    },
    get(target, name) {
      if (inside && name === 'now') throw leak('Date.now');
      return Reflect.get(target, name);
    },
  });
}

function leak(name: string): Error {
  return new Error(`${name} was used inside a simulation: take it from a port.`);
}
