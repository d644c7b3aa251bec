import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { freePorts } from '../../../cluster/launcher/free-ports.ts';
import { clusterPorts } from '../../../cluster/launcher/ports.ts';
import { readable } from '../../../cluster/launcher/readable.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

it.each([
  [
    'node-1',
    '{"level":30,"time":1,"pid":7,"node":"node-1","shard":0,"msg":"Leading."}',
    'Leading.  shard=0',
  ],
  ['node-1', '{"level":40,"time":1,"msg":"Slow.","why":"a\\u001bb"}', 'WARN Slow.  why=a\\x1bb'],
  ['etcd-1', '{"level":"info","ts":"x","caller":"y","msg":"raft"}', null],
  ['etcd-1', '{"level":"error","ts":"x","msg":"no space","took":"2s"}', 'ERROR no space  took=2s'],
  ['shop', 'info Started.', 'info Started.'],
])('a line of %s: %s', (name, line, text) => {
  const shown = readable(name, line);
  if (text?.includes('\\x1b')) expect(shown).not.toContain('\u001b');
  else expect(shown).toBe(text);
});

it('takes the usual ports where they are free, and others in place of those that are not', async () => {
  const directory = temporaryDirectory();
  const [free = 0, taken = 0, etcd = 0] = await freePorts(3);
  const server = createServer().listen(taken, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const usual = { nodes: [free, taken], etcd: [etcd] };
    const ports = await clusterPorts(directory.path, { members: 1, nodes: 3 }, { usual });
    expect(ports.nodes[0]).toBe(free);
    expect(ports.nodes[1]).not.toBe(taken);
    expect(new Set(ports.nodes).size).toBe(3);
    expect(ports.etcd[0]?.client).toBe(etcd);
  } finally {
    server.close();
    directory.remove();
  }
});
