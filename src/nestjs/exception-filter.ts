/** Errors of transactions, as responses. */
import { type ArgumentsHost, Catch, Logger } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { throwError } from 'rxjs';
import type { AbortReason } from '../core/catalogue.ts';
import { thrownText } from '../core/thrown.ts';
import { isProblemError, ProblemError, problemType } from '../http/problem-error.ts';
import { type Problem, problemOfAbort, problemOfError } from '../http/problems.ts';
import { isVerdictError, VerdictError } from '../peer/verdict-error.ts';
import { isTransactionAborted, TransactionAbortedError } from './aborted-error.ts';

/** What `describe` may say of an abort. */
export interface AbortResponse {
  /** From 400 to 599. */
  readonly status?: number;
  /** In place of `urn:verdict:problem:...`. */
  readonly type?: string;
  /** The kind, in words. */
  readonly title?: string;
  /** For the caller. */
  readonly detail?: string;
}

/**
 * Makes a response of an aborted transaction (`TransactionAbortedError`) and of a `VerdictError`, a
 * problem of RFC 9457: 409 where a participant said no, 503 with `Retry-After` where it can pass,
 * 504 where the outcome is not known. What `request.verdict` of `verdict/express` and
 * `verdict/fastify` throws is answered as these would (`ProblemError`). It looks at no other
 * errors. A microservice and a gateway get the same fields. In GraphQL, a consumer of a queue and
 * whatever else has no response, the error is thrown on as it is.
 *
 * ```ts
 * providers: [{ provide: APP_FILTER, useClass: VerdictExceptionFilter }]
 * // or: app.useGlobalFilters(new VerdictExceptionFilter(app.getHttpAdapter()))
 * ```
 */
export class VerdictExceptionFilter extends BaseExceptionFilter {
  readonly #logger = new Logger('VerdictExceptionFilter');

  /**
   * What callers are told of an abort, for a class of one's own to say: a participant's message is
   * not shown otherwise, for it may name what is not for them.
   */
  protected describe(_reason: AbortReason): AbortResponse | undefined {
    return undefined;
  }

  /**
   * Whether the same request, sent again, gets the outcome of this one, with one effect at most: an
   * outcome that is not known then says so, with `Retry-After`. Default: of a request with a key of
   * `request.verdict`, if the transaction ran under a `requestId`. Say so where another key of your
   * own makes it true, such as a unique column.
   */
  protected isRepeatable(error: VerdictError, host: ArgumentsHost): boolean {
    if (error.requestId === undefined || host.getType<string>() !== 'http') return false;
    const request: object | undefined = host.switchToHttp().getRequest();
    const { verdict, raw } = (request ?? {}) as Keyed & { readonly raw?: Keyed };
    return typeof (verdict ?? raw?.verdict)?.idempotencyKey === 'string';
  }

  /** Called by Nest. */
  override catch(exception: unknown, host: ArgumentsHost): unknown {
    const problem = this.#problemOf(exception, host);
    if (problem === null) return this.#leave(exception, host);
    const text = thrownText(exception);
    if (problem.status === 500) this.#logger.error(text);
    else this.#logger.debug(text);
    switch (host.getType<string>()) {
      case 'http':
        return this.#respond(problem, host);
      case 'rpc':
        return throwError(() => messageOf(problem));
      case 'ws':
        return emit(messageOf(problem), host);
      default:
        // GraphQL, or a consumer of a queue: a value, even an error, would be a success there.
        throw exception;
    }
  }

  /** What a class with a `@Catch()` of its own caught besides. */
  #leave(exception: unknown, host: ArgumentsHost): unknown {
    switch (host.getType<string>()) {
      case 'http':
        return super.catch(exception, host);
      case 'ws':
        this.#logger.error(exception);
        return emit({ status: 'error', message: 'Internal server error' }, host);
      default:
        // Nest does then what it does without a filter.
        return undefined;
    }
  }

  #problemOf(exception: unknown, host: ArgumentsHost): Problem | null {
    if (isProblemError(exception)) return exception.problem;
    if (isTransactionAborted(exception)) {
      return problemOfAbort(exception.reason, (reason) => this.describe(reason), unsure);
    }
    if (!isVerdictError(exception)) return null;
    return problemOfError(exception, {
      repeatable: this.isRepeatable(exception, host),
      ...unsure,
    });
  }

  /**
   * Fastify's adapter of NestJS 11 knows neither a response that a handler began itself, nor how to
   * put headers on the response of Node, which Nest's middleware has.
   */
  #respond({ status, body, retryAfterSeconds }: Problem, host: ArgumentsHost): void {
    const adapter = this.applicationRef ?? this.httpAdapterHost?.httpAdapter;
    const response = host.switchToHttp().getResponse<PlatformResponse>();
    const raw = response.raw ?? response;
    if (raw.headersSent) {
      raw.end();
      return;
    }
    const headers: Record<string, string> = {
      'Content-Type': problemType,
      'Cache-Control': 'no-store',
      ...(retryAfterSeconds === null ? {} : { 'Retry-After': String(retryAfterSeconds) }),
    };
    // As text: Express's adapter of NestJS 11 makes application/json of every object.
    const text = JSON.stringify(body);
    // Fastify leaves one that a handler has hijacked alone: ended as it is, it would say 200.
    if (adapter === undefined || !('status' in response) || response.sent === true) {
      raw.writeHead(status, headers).end(text);
      return;
    }
    for (const [name, value] of Object.entries(headers)) {
      adapter.setHeader?.(response, name, value);
    }
    adapter.reply(response, text, status);
  }
}

/** (!) One method with `@Transactional` may have committed before another one failed. */
const unsure = { isPart: null } as const;

/** A request that has been given its transactions. */
interface Keyed {
  readonly verdict?: { readonly idempotencyKey?: unknown };
}

/** Express's response, Fastify's reply, or Node's response. */
interface PlatformResponse extends NodeResponse {
  readonly raw?: NodeResponse;
  readonly sent?: boolean;
}

interface NodeResponse {
  readonly headersSent: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string>>): this;
  end(text?: string): unknown;
}

Catch(TransactionAbortedError, VerdictError, ProblemError)(VerdictExceptionFilter);

/** As Nest's own filters say it. */
function messageOf({ body }: Problem): object {
  return { ...body, status: 'error', statusCode: body.status, message: body.detail };
}

function emit(message: object, host: ArgumentsHost): void {
  const client: { emit?(name: string, body: unknown): void } = host.switchToWs().getClient();
  client.emit?.('exception', message);
}
