/** Whether the registry signed what is installed: only it can be asked. */
import { execFile } from 'node:child_process';

export interface Signatures {
  readonly problems: readonly string[];
  /** For people. */
  readonly text: string;
}

const timeoutMs = 60_000;
/** Npm's own are minutes: where no one answers, that is known at once. */
const impatience = ['--fetch-retries=0', '--fetch-timeout=5000'];

export async function checkSignatures(root: string): Promise<Signatures> {
  const args = ['audit', 'signatures', '--json', ...impatience];
  const out = await new Promise<string>((resolve) => {
    execFile('npm', args, { cwd: root, timeout: timeoutMs }, (_error, stdout) => resolve(stdout));
  });
  return readSignatures(out);
}

/** Of `npm audit signatures --json`. */
export function readSignatures(out: string): Signatures {
  const report = parsed(out);
  const { invalid, missing } = report ?? {};
  if (!Array.isArray(invalid) || !Array.isArray(missing)) {
    return {
      problems: [],
      text: 'signatures: skipped, for the registry or the log of its keys does not answer',
    };
  }
  const problems = [
    ...invalid.map(
      (one) => `${fullName(one)} has a signature that is wrong: it was tampered with.`,
    ),
    ...missing.map((one) => `${fullName(one)} has no signature, though its registry signs.`),
  ];
  return { problems, text: `signatures: ${problems.length === 0 ? 'all right' : 'WRONG'}` };
}

function fullName({
  name,
  version,
}: {
  readonly name?: string;
  readonly version?: string;
}): string {
  return `${name}@${version}`;
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}
