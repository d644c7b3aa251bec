/** Where a database of a test or an example is, as a URL. */
export function databaseUrl(
  scheme: 'postgres' | 'mysql',
  at: { user: string; host: string; port: number; database: string },
): string {
  return `${scheme}://${at.user}@${at.host}:${at.port}/${at.database}`;
}
