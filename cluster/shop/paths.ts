/** Where the shop keeps what, below its data directory. */
import { join } from 'node:path';

export const serviceNames = ['inventory', 'payment', 'order', 'shipping', 'notification'] as const;
export type ServiceName = (typeof serviceNames)[number];

export function isServiceName(text: string): text is ServiceName {
  return (serviceNames as readonly string[]).includes(text);
}

/** The service's own records. */
export function storeDirectory(data: string, service: ServiceName): string {
  return join(data, service, 'store');
}

/** The votes and outcomes that the SDK remembers for it. */
export function journalDirectory(data: string, service: ServiceName): string {
  return join(data, service, 'journal');
}
