/**
 * `npm run images`: pins the images of docker-compose.yml by digest, in the file `.env` that
 * Compose reads. A tag may be moved by whoever may write in its registry; a digest is the content.
 * Which digest a tag has now only its registry knows, so it is asked, and what it says is for you
 * to keep.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { defaultImages, pinned, pinnedText, withVariables } from './pin.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** An image may have to come over a slow line. */
const pullTimeoutMs = 15 * 60_000;

const { file } = new Command('npm run -s images --')
  .description(
    'Pulls the images that docker-compose.yml names, and writes their digests into .env, which Compose reads from then on. VERDICT_NODE_IMAGE and VERDICT_ETCD_IMAGE in the environment name others. Run it again for newer ones.',
  )
  .option('--file <file>', 'where to write them; lines that are there stay', `${root}.env`)
  .parse()
  .opts<{ file: string }>();

try {
  const images = defaultImages(readFileSync(`${root}docker-compose.yml`, 'utf8'));
  const variables: [string, string][] = [];
  for (const [variable, usual] of images) {
    const image = process.env[variable] ?? usual;
    variables.push([variable, await pin(image)]);
  }
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  writeFileSync(file, withVariables(before, variables));
  process.stdout.write(pinnedText(file, variables));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function pin(image: string): Promise<string> {
  if (image.includes('@')) return image;
  await docker('pull', '--quiet', image);
  const digests = await docker('image', 'inspect', '--format', '{{json .RepoDigests}}', image);
  return pinned(image, JSON.parse(digests) as readonly string[]);
}

async function docker(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('docker', args, { timeout: pullTimeoutMs });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const why = stderr?.trim().split('\n').at(-1) || message;
    throw new Error(
      `docker ${args.join(' ')} failed: ${why}. Nothing was written. It needs a Docker engine, and the registry within reach.`,
      { cause: error },
    );
  }
}
