/** Asks every node what the doctor wants to know. */
import { readFileSync } from 'node:fs';
import { thrownLine } from '../../core/thrown.ts';
import { isVerdictError } from '../../peer/verdict-error.ts';
import { readSecretFile } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import { EveryNode } from '../operator/every-node.ts';
import type { ConnectionFlags } from '../options.ts';
import { type ClockBounds, get, type HttpTls } from './clocks.ts';
import { type Finding, Findings } from './finding.ts';
import type { ClusterFacts } from './judge-nodes.ts';

const answerMs = 2_000;

/** A finding: none answers. */
export async function askNodes(flags: ConnectionFlags): Promise<ClusterFacts | Finding> {
  const nodes = new EveryNode(flags);
  try {
    await nodes.connect();
    const timeoutMs = Math.min(answerMs, flags.timeout);
    const [infos, stats, configurations] = await Promise.all([
      nodes.ask('info', timeoutMs),
      nodes.ask('stats', timeoutMs),
      nodes.ask('config', timeoutMs),
    ]);
    const told = infos.map(({ node, url, reply, problem }, index) => ({
      node,
      url,
      info: reply,
      stats: stats[index]?.reply ?? null,
      configuration: configurations[index]?.reply?.configuration ?? null,
      problem: problem ?? stats[index]?.problem ?? null,
    }));
    const clocks = await Promise.all(
      told.map(({ node, url }) => clockOf(node, url, flags, timeoutMs)),
    );
    return {
      nodes: told,
      silent: nodes.silent(),
      leaders: nodes.leaders(),
      clocks: clocks.filter((clock) => clock !== null),
    };
  } catch (error) {
    const findings = new Findings('nodes');
    findings.problem(
      'reachable',
      error instanceof CommandError || isVerdictError(error) ? error.message : thrownLine(error),
      'Name a node that runs with --url, and what it asks for: --token-file, or a certificate.',
    );
    return findings.all[0] as Finding;
  } finally {
    await nodes.close();
  }
}

/** Null: it cannot be read from here, behind a proxy perhaps. */
async function clockOf(
  node: string,
  url: string,
  flags: ConnectionFlags,
  timeoutMs: number,
): Promise<ClockBounds | null> {
  try {
    const { protocol, host } = new URL(url.includes('://') ? url : `ws://${url}`);
    const isTls = protocol === 'wss:' || protocol === 'https:';
    const page = `${isTls ? 'https' : 'http'}://${host}/healthz`;
    const { clock } = await get(page, timeoutMs, isTls ? tlsOf(flags) : {});
    return clock === null ? null : { who: node, ...clock };
  } catch {
    return null;
  }
}

function tlsOf({ tlsCa, tlsCert, tlsKey, tlsServerName }: ConnectionFlags): HttpTls {
  return {
    ...(tlsCa !== undefined && { ca: readFileSync(tlsCa) }),
    ...(tlsCert !== undefined && { cert: readFileSync(tlsCert) }),
    ...(tlsKey !== undefined && { key: Buffer.from(readSecretFile(tlsKey, 'key')) }),
    ...(tlsServerName !== undefined && { servername: tlsServerName }),
  };
}
