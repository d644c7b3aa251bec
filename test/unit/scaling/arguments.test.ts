import { expect, it } from 'vitest';
import { argumentsOf } from '../../../scripts/scaling/arguments.ts';
import { deployments } from '../../../scripts/scaling/deployment.ts';

it('starts from the million', () => {
  expect(argumentsOf([])).toMatchObject({ deployment: deployments.million, write: false });
});

it('changes what is asked for', () => {
  const asked = argumentsOf(
    '--deployment today --nodes 5 --shards 7 --rate 900 --zipf 0.5 --speed 2 --seed 3'.split(' '),
  );
  const { place } = deployments.today;
  expect(asked).toMatchObject({
    deployment: {
      name: '5 nodes, 7 shards, 1 etcd clusters, 1 for each node',
      nodes: 5,
      shards: 7,
      perSecond: 900,
      zipf: 0.5,
      place: { ...place, speed: 2 },
    },
    seed: 3,
  });
});

it.each([
  ['--deployment none', '--deployment is one of today, ranges, million.'],
  ['--deployment toString', '--deployment is one of today, ranges, million.'],
  ['--nodes 0', '--nodes is a whole number from 1 to 10000.'],
  ['--nodes 1.5', '--nodes is a whole number from 1 to 10000.'],
  ['--nodes=', '--nodes is a whole number from 1 to 10000.'],
  ['--speed 0', '--speed is a number from 0.01 to 100.'],
  ['--services 9 --service-processes 8', '--service-processes: each service has one at least'],
  ['--services 2 --branches 3', '--branches: not more than --services'],
  ['--shards 4 --etcds 5', '--etcds: not more than --shards'],
  ['--etcds 2 --etcds-of-node 3', '--etcds-of-node: not more than --etcds'],
  ['--write --nodes 3', '--nodes: of no use with --write.'],
  ['--rate 3 --measure --seed 1', '--rate, --seed: of no use with --measure.'],
  ['--measure --write --deployment today', '--deployment: of no use with --measure, --write.'],
  ['--none', 'Unknown option'],
])('refuses %s', (args, text) => {
  expect(argumentsOf(args.split(' '))).toMatchObject({ wrong: expect.stringContaining(text) });
});

it('measures and writes in one go', () => {
  expect(argumentsOf(['--measure', '--write'])).toMatchObject({ measure: true, write: true });
});

it('helps', () => {
  const asked = argumentsOf(['--help']);
  const help = 'help' in asked ? asked.help : '';
  expect(help).toContain('--etcds-of-node');
  expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
});
