/** What `verdict/express` and `verdict/fastify` give a request, whichever platform Nest runs on. */
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { RequestTransactions } from '../http/transactions.ts';

export type { HttpTransactRequest, RequestTransactions } from '../http/transactions.ts';

/**
 * The transactions of a request, as a parameter of a controller's method. The same on Express and
 * Fastify, with `verdictMiddleware` or `verdictPlugin`.
 *
 * ```ts
 * @Post()
 * place(@RequestVerdict() verdict: RequestTransactions, @Body() order: Order) {
 *   return verdict.transact({ branches: branchesOf(order) });
 * }
 * ```
 */
export const RequestVerdict: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context: ExecutionContext) => verdictOf(context.switchToHttp().getRequest()),
);

/**
 * The transactions of a request that was found elsewhere: in an `AsyncLocalStorage`, by
 * `@Inject(REQUEST)` or in GraphQL's context. Takes the request of Express or of Fastify, and the
 * one of Node, which is what Nest's middleware gets on Fastify. Throws a TypeError where the
 * request has none.
 */
export function verdictOf(request: object): RequestTransactions {
  const { verdict, raw } = (request ?? {}) as Carrier & { readonly raw?: Carrier };
  // On Fastify a middleware has only the request of Node to put it on.
  const found = verdict ?? raw?.verdict;
  if (found !== undefined) return found;
  throw new TypeError(
    'This request has no transactions. Before its routes, put app.use(verdictMiddleware(client, ...)) of verdict/express, or on Fastify await app.register(verdictPlugin, { client, ... }) of verdict/fastify.',
  );
}

interface Carrier {
  readonly verdict?: RequestTransactions;
}
