/** How a JWT may travel. */
import { maxJwtBytes } from './limits.ts';

/** Three parts of base64url. */
export function isJwtText(text: unknown): text is string {
  return (
    typeof text === 'string' && text.length <= maxJwtBytes && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
  );
}

/** Why it is not shown there; null: it may be. Whoever reads it on its way has it. */
export function jwtProblem(url: string): string | null {
  if (/^wss:/i.test(url)) return null;
  return `A JWT is shown over TLS alone, and ${url} has none. Give the address as wss://, or with tls (--tls-ca), and start the node with --tls-cert and --tls-key.`;
}
