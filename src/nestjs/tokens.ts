/** By what names things are injected. Texts, so that two copies of this package mean the same. */
import { Inject } from '@nestjs/common';

/** Of an application that has one cluster. */
export const defaultConnection = 'default';

/** What the client of a connection is injected by. */
export function getVerdictToken(connection: string = defaultConnection): string {
  return `VerdictClient:${connection}`;
}

/** What the health indicator of a connection is injected by, where there are several. */
export function getVerdictHealthToken(connection: string = defaultConnection): string {
  return `VerdictHealthIndicator:${connection}`;
}

/**
 * Injects the client of a connection: `constructor(@InjectVerdict() client: Client)`. Needs no
 * types of parameters at run time, so that esbuild and SWC do.
 */
export function InjectVerdict(
  connection: string = defaultConnection,
): PropertyDecorator & ParameterDecorator {
  return Inject(getVerdictToken(connection));
}

/** Of what is the module's own. */
export function optionsToken(connection: string): string {
  return `VerdictOptions:${connection}`;
}
export function connectionToken(connection: string): string {
  return `VerdictConnection:${connection}`;
}
