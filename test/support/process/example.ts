/** One of examples/, by its one command. */
import { Child, within } from './child.ts';

export async function example(
  args: readonly string[],
  { timeoutMs = 170_000, env = {} }: { timeoutMs?: number; env?: Record<string, string> } = {},
): Promise<{ readonly status: number | null; readonly told: string }> {
  const child = new Child('scripts/examples/main.ts', { args, env });
  try {
    const { code } = await within(child.exited, `the end of ${args}`, timeoutMs);
    return { status: code, told: child.lines.join('\n') };
  } finally {
    // It ends what it has started, containers too.
    if (child.exit === null) {
      child.signal('SIGTERM');
      await within(child.exited, 'it to end what it has started').catch(() => undefined);
    }
    await child.kill();
  }
}
