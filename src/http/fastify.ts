/** The plugin for Fastify. */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { type Client, type ConnectOptions, connect } from '../client/client.ts';
import { thrownError } from '../core/thrown.ts';
import { InFlight } from './in-flight.ts';
import { checkHttpOptions, checkMode, type HttpOptions, type IdempotencyMode } from './options.ts';
import { isProblemError, problemType } from './problem-error.ts';
import { type RequestTransactions, transactionsOf } from './transactions.ts';

/** What the plugin takes: `connect` or `client`, and whose keys there are. */
export interface VerdictPluginOptions extends HttpOptions<FastifyRequest> {
  /** It connects when the application gets ready, and closes with it. */
  readonly connect?: ConnectOptions | undefined;
  /** In place of `connect`: one that the application closes. */
  readonly client?: Client | undefined;
  /**
   * What becomes of a ProblemError that a handler lets pass. `send`, the default: it is the
   * response. `throw`: it goes to the application's error handler.
   */
  readonly problems?: 'send' | 'throw' | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The client of the cluster, from the time that the application is ready. */
    readonly verdict: Client;
  }
  interface FastifyRequest {
    /** Transactions under the request's Idempotency-Key. */
    verdict: RequestTransactions;
  }
  interface FastifyContextConfig {
    /** Of this route, in place of the plugin's. */
    readonly idempotency?: IdempotencyMode;
  }
}

const fields = { connect: 'object', client: 'object', problems: 'text' } as const;
const of = "verdictPlugin's options";

/**
 * Gives the instance its client, as `fastify.verdict`, and each request its transactions, as
 * `request.verdict`. Register it before the routes. It connects when the application gets ready,
 * and closes when it has closed and no call of a request is under way.
 *
 * ```ts
 * await app.register(verdictPlugin, {
 *   connect: { urls: ['127.0.0.1:7070'], name: 'shop' },
 *   scopeOf: (request) => request.user.id,
 * });
 * app.post('/orders', { config: { idempotency: 'required' } }, async (request, reply) => {
 *   const { txid } = await request.verdict.transact({ branches: branchesOf(request.body) });
 *   return reply.code(201).send({ txid });
 * });
 * ```
 */
export function verdictPlugin(
  fastify: FastifyInstance,
  options: VerdictPluginOptions,
  done: (error?: Error) => void,
): void {
  try {
    checkHttpOptions({ ...options }, of, fields);
    checkClients(options);
    install(fastify, options);
  } catch (error) {
    done(thrownError(error));
    return;
  }
  done();
}

function install(fastify: FastifyInstance, options: VerdictPluginOptions): void {
  const calls = new InFlight();
  let client = options.client ?? null;
  const connected = (): Client => {
    if (client !== null) return client;
    throw new Error('fastify.verdict is there when the application is ready: await app.ready().');
  };

  fastify.decorate('verdict', { getter: connected });
  fastify.decorateRequest('verdict');
  fastify.addHook('onReady', async () => {
    if (options.connect !== undefined) client = await connect(options.connect);
  });
  fastify.addHook('onClose', async () => {
    await calls.over();
    if (options.connect !== undefined) await client?.close();
  });
  fastify.addHook('preHandler', async (request, reply) => {
    if (request.is404) return;
    const { idempotency: mode = options.idempotency ?? 'optional' } = request.routeOptions.config;
    try {
      request.verdict = transactionsOf({
        client: connected,
        request,
        method: request.method,
        header: request.headers['idempotency-key'],
        setHeader: (name, value) => {
          if (reply.sent) return;
          if (value === null) reply.removeHeader(name);
          else reply.header(name, value);
        },
        options,
        mode,
        tracked: (call) => calls.tracked(call),
      });
      // Middleware, and what it keeps in an AsyncLocalStorage, has this one.
      Object.assign(request.raw, { verdict: request.verdict });
    } catch (error) {
      if (options.problems === 'throw') throw error;
      return send(error, reply);
    }
  });
  fastify.addHook('onRoute', (route) => {
    const { idempotency } = route.config ?? {};
    if (idempotency !== undefined) checkMode(idempotency, `the config of ${route.url}`);
    if (options.problems !== 'throw') sendProblems(route);
  });
}

/** Its decorators and hooks are of the instance that it is registered with: see fastify-plugin. */
Object.assign(verdictPlugin, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'verdict',
  [Symbol.for('plugin-meta')]: { name: 'verdict', fastify: '5.x' },
});

/**
 * Around the handler, and not as the instance's error handler, which is the application's own: it
 * sees everything but these.
 */
function sendProblems(route: RouteOptions): void {
  const { handler } = route;
  route.handler = function (request, reply) {
    const handled: unknown = handler.call(this, request, reply);
    // A reply has a `then`, too, and must be returned as it is.
    return handled instanceof Promise
      ? handled.catch((error: unknown) => send(error, reply))
      : handled;
  };
}

/** As text: a schema of the route's responses is not for it. */
function send(error: unknown, reply: FastifyReply): FastifyReply {
  if (!isProblemError(error) || reply.sent) throw error;
  const { status, headers, problem } = error;
  return reply.code(status).headers(headers).type(problemType).send(JSON.stringify(problem.body));
}

function checkClients({ connect: own, client, problems }: VerdictPluginOptions): void {
  if ((own === undefined) === (client === undefined)) {
    throw new TypeError(`${of} need either connect: { urls, name } or a client of your own.`);
  }
  if (problems === undefined || problems === 'send' || problems === 'throw') return;
  throw new TypeError(`problems in ${of} must be 'send' or 'throw'.`);
}
