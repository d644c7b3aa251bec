/** A database server for a whole file or `describe`, and a database on it for each test. */
import { afterAll, beforeAll, beforeEach } from 'vitest';

/** The server is there once tests run. */
export function serverOfFile<Server extends { dispose(): Promise<void> }>(
  start: () => Promise<Server>,
): () => Server {
  let server: Server | null = null;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server?.dispose());
  return () => there(server);
}

export function addressForEach<Address>(make: () => Promise<Address>): () => Address {
  let address: Address | null = null;
  beforeEach(async () => {
    address = await make();
  });
  return () => there(address);
}

function there<T>(part: T | null): T {
  if (part === null) throw new Error('No test runs.');
  return part;
}
