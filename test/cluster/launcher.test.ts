/** `npm run cluster` where there is no etcd but a Docker. */
import { afterEach, describe, expect, it } from 'vitest';
import { docker, dockerMissing, skipWithout } from '../support/nodes/docker.ts';
import { launchCluster } from '../support/nodes/launched-cluster.ts';
import { endScripts } from '../support/process/run-script.ts';

describe('npm run cluster on containers of etcd', () => {
  skipWithout(dockerMissing());
  afterEach(endScripts);

  it('comes up, and leaves no container or network behind', async () => {
    const cluster = await launchCluster(['--etcd', 'docker', '--no-shop']);
    const project = /containers named (\S+)-etcd-N/.exec(cluster.script.out())?.[1] ?? 'none';
    const left = async (): Promise<string> => {
      const filter = ['--filter', `name=${project}`, '--format', '{{.Names}}'];
      const containers = await docker(['ps', '--all', ...filter]);
      const networks = await docker([
        'network',
        'ls',
        ...filter.slice(0, 2),
        '--format',
        '{{.Name}}',
      ]);
      return containers + networks;
    };
    expect((await left()).trim().split('\n')).toHaveLength(4);
    await cluster.interrupt();
    expect(await left()).toBe('');
  });
});
