/**
 * A registry of container images on 127.0.0.1, from Debian's package: a real one, whose digests an
 * engine believes.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { isProgram, unpackDebian } from '../../../cluster/debian/unpack.ts';
import { freePort } from '../../../cluster/launcher/free-ports.ts';
import { Child, eventually } from '../process/child.ts';

const program = 'usr/bin/docker-registry';
const cache = join(tmpdir(), `verdict-registry-${process.getuid?.() ?? 0}`);

export interface Registry {
  /** `127.0.0.1:port`, to which engines speak without TLS. */
  readonly host: string;
  end(): Promise<void>;
}

/** Null where it is there, else why not. */
export async function registryMissing(): Promise<string | null> {
  if (isProgram(join(cache, program))) return null;
  const problem = await unpackDebian({ cache, packages: ['docker-registry'], program });
  return problem === null ? null : `there is no registry of images here: ${problem}`;
}

export async function startRegistry(directory: string): Promise<Registry> {
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(directory, 'registry.json');
  const storage = { filesystem: { rootdirectory: join(directory, 'registry') } };
  writeFileSync(config, JSON.stringify({ version: '0.1', storage, http: { addr: host } }));
  const child = new Child(config, {
    args: [],
    through: [join(cache, program)],
    program: 'serve',
  });
  await eventually(
    async () => {
      const reply = await fetch(`http://${host}/v2/`).catch(() => null);
      return reply?.ok === true ? true : null;
    },
    () => `the registry to answer:\n${child.lines.join('\n')}`,
  );
  return { host, end: async () => void (await child.kill()) };
}
