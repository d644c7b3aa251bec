import { createHash, timingSafeEqual } from 'node:crypto';

/** In a time that does not tell where the two differ, nor how long the wanted one is. */
export function isSecret(brought: string | undefined, wanted: string): boolean {
  return brought !== undefined && timingSafeEqual(digest(brought), digest(wanted));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
