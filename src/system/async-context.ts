/** What is in force for the code of one call, through all that it awaits. */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface AsyncContext<Value> {
  readonly get: () => Value | undefined;
  /** `call`, and all that it starts, sees `value`; undefined: nothing. */
  readonly run: <Result>(value: Value | undefined, call: () => Result) => Result;
}

export function asyncContext<Value>(): AsyncContext<Value> {
  const storage = new AsyncLocalStorage<Value | undefined>();
  return {
    get: () => storage.getStore(),
    run: (value, call) => storage.run(value, call),
  };
}
