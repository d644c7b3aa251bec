/** The middleware for Express. */
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import type { Client } from '../client/client.ts';
import { shown } from '../core/fields.ts';
import { InFlight } from './in-flight.ts';
import { checkHttpOptions, type HttpOptions } from './options.ts';
import { isProblemError, type ProblemError, problemType } from './problem-error.ts';
import { type RequestTransactions, transactionsOf } from './transactions.ts';

/** What the middleware takes. */
export type VerdictMiddlewareOptions = HttpOptions<Request>;

declare global {
  namespace Express {
    interface Request {
      /** Transactions under the request's Idempotency-Key. */
      verdict: RequestTransactions;
    }
  }
}

/** A middleware that says when its requests have ended. */
export interface VerdictMiddleware extends RequestHandler {
  /**
   * Resolves when no transaction of a request is under way: between the server's close and the
   * client's.
   */
  idle(): Promise<void>;
}

/**
 * Gives each request its transactions, as `req.verdict`. Routes that want keys otherwise get a
 * middleware of their own. Put `verdictProblems()` behind the routes: it makes responses of what
 * `req.verdict` throws.
 *
 * ```ts
 * const client = await connect({ urls: ['127.0.0.1:7070'], name: 'shop' });
 * const verdict = verdictMiddleware(client, {
 *   idempotency: 'required',
 *   scopeOf: (req) => req.user.id,
 * });
 * app.post('/orders', verdict, async (req, res) => {
 *   const { txid } = await req.verdict.transact({ branches: branchesOf(req.body) });
 *   res.status(201).json({ txid });
 * });
 * app.use(verdictProblems());
 * ```
 */
export function verdictMiddleware(
  client: Client,
  options: VerdictMiddlewareOptions,
): VerdictMiddleware {
  const { transact } = (client ?? {}) as { readonly transact?: unknown };
  if (typeof transact !== 'function') {
    throw new TypeError(`verdictMiddleware wants a client, from connect, not ${shown(client)}.`);
  }
  checkHttpOptions({ ...options }, "verdictMiddleware's options");
  const { idempotency: mode = 'optional' } = options;
  const calls = new InFlight();
  const middleware: RequestHandler = (request, response, next) => {
    try {
      request.verdict = transactionsOf({
        client: () => client,
        request,
        method: request.method,
        header: request.headers['idempotency-key'],
        // What answered already gets no more headers, and its outcome all the same.
        setHeader: (name, value) => {
          if (response.headersSent) return;
          if (value === null) response.removeHeader(name);
          else response.setHeader(name, value);
        },
        options,
        mode,
        tracked: (call) => calls.tracked(call),
      });
    } catch (error) {
      next(error);
      return;
    }
    next();
  };
  return Object.assign(middleware, { idle: () => calls.over() });
}

/**
 * Behind the routes: makes a response of `application/problem+json` of a ProblemError. Every other
 * error goes on to the application's own handler. Without this Express answers with the right
 * status and a page of HTML.
 */
export function verdictProblems(): ErrorRequestHandler {
  return (error, _request, response, next) => {
    if (!isProblemError(error) || response.headersSent) next(error);
    else send(error, response);
  };
}

function send({ status, headers, problem }: ProblemError, response: Response): void {
  response.status(status).set(headers).type(problemType).send(JSON.stringify(problem.body));
}
