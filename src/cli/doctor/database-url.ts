/** Addresses of databases: without passwords, which are not for command lines. */
import { usageError } from '../command-error.ts';

/** Throws for what is none. `option`: as it was given, for the text. */
export function checkDatabaseUrl(option: string, schemes: readonly string[], text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  const wanted = `Write ${schemes[0]}://user@host:port/database.`;
  if (url === null || !schemes.includes(url.protocol.slice(0, -1))) {
    throw usageError(`${option} is no address of a database. ${wanted}`);
  }
  if (url.password !== '' || /pass/i.test(url.search)) {
    throw usageError(
      `${option} holds a password, which does not belong on a command line. ${wanted} Give the password as ${option}-password-file, or by the environment: --help says how.`,
    );
  }
}

/** What may be shown of it. */
export function shownUrl(text: string): string {
  const { protocol, username, host, pathname } = new URL(text);
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
}
