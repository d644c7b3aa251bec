import type { Resource } from '../ports/resource.ts';

/**
 * A resource with another `prepare`, and the same in all else. Nothing is listed here: a wrapper
 * that forgets a member (an `identity`, say) makes another resource of it. The target is empty,
 * since a proxy may not tell other values than a frozen target has.
 */
export function withPrepare<Payload, Result>(
  resource: Resource<Payload, Result>,
  prepare: Resource<Payload, Result>['prepare'],
): Resource<Payload, Result> {
  return new Proxy({} as Resource<Payload, Result>, {
    get: (_target, name) => {
      if (name === 'prepare') return prepare;
      const value: unknown = Reflect.get(resource, name, resource);
      return typeof value === 'function' ? value.bind(resource) : value;
    },
    has: (_target, name) => Reflect.has(resource, name),
  });
}
