/** What an application may throw, and some do, that is no plain Error: by name. */
import { runInNewContext } from 'node:vm';

const withMessage = (message: unknown): Error => Object.assign(new Error('x'), { message });
const throwing = (): never => {
  throw new Error('getter');
};

export const oddThrows: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['a text', 'plain text'],
  ['undefined', undefined],
  ['null', null],
  ['a symbol', Symbol('x')],
  ['a bigint', 10n],
  ['a function', () => 1],
  ['a plain object', { code: 'E', why: 'x' }],
  ['an object without prototype', Object.assign(Object.create(null), { code: 'E' })],
  ['an Error whose message is an object', withMessage({ code: 'E_STOCK' })],
  ['an Error whose message is undefined', withMessage(undefined)],
  ['an Error whose message is a symbol', withMessage(Symbol('x'))],
  [
    'an Error whose message throws',
    Object.defineProperty(new Error('x'), 'message', { get: throwing }),
  ],
  [
    'an Error whose every word throws',
    Object.defineProperties(new Error('x'), {
      message: { get: throwing },
      name: { get: throwing },
      stack: { get: throwing },
      cause: { get: throwing },
      code: { get: throwing },
      toString: { value: throwing },
    }),
  ],
  ['an object whose toString throws', { toString: throwing }],
  ['an object whose toString gives an object', { toString: () => ({}) }],
  ['an object whose toJSON throws', { toJSON: throwing }],
  ['an AggregateError', new AggregateError([new Error('a'), Object.create(null)])],
  ['an Error of another realm', runInNewContext('new Error("other realm")')],
  ['half a character', new Error('\ud83d half')],
  ['a huge message', new Error('x'.repeat(1_000_000))],
  [
    'a proxy that answers nothing',
    new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing }),
  ],
]);
