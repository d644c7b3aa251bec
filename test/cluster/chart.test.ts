/**
 * The Helm chart, rendered by Helm and held against the rules by which Kubernetes takes objects.
 * What it starts a node with is given to a real one.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChartPrograms, chartPrograms } from '../../cluster/helm/programs.ts';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { processIo } from '../../src/cli/io.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { skipWithout } from '../support/nodes/docker.ts';
import { Child } from '../support/process/child.ts';
import { lacking } from '../support/process/lacking.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const chart = join(root, 'cluster/helm/verdict');
const result = await chartPrograms();
const missing = lacking('missing' in result ? result.missing : null);
const programs: ChartPrograms = 'found' in result ? result.found : { helm: '', check: '' };
const [etcdPrograms] = await etcdsToTest();

type Values = Readonly<Record<string, unknown>>;

const etcd = { endpoints: ['https://etcd-0.etcd:2379', 'https://etcd-1.etcd:2379'] };
const secured: Values = {
  etcd: { ...etcd, tls: { secret: 'etcd-tls' } },
  tls: { secret: 'nodes-tls' },
  access: {
    content: {
      identities: [
        { name: 'nodes', credentials: [{ uri: 'spiffe://shop/node/*' }], roles: ['node'] },
      ],
    },
  },
  operators: { enabled: true },
};

const sets: Readonly<Record<string, Values>> = {
  minimal: { etcd, access: { insecure: true } },
  'with a token and accounts': {
    etcd: { ...etcd, account: { user: 'verdict-shop-node', secret: 'etcd-account' } },
    access: { tokenSecret: 'token' },
    cluster: 'shop',
    shards: 16,
  },
  secured,
  'with parts of etcd': {
    ...secured,
    etcd: {
      parts: [
        { shards: '0-31', endpoints: ['https://one:2379'] },
        { shards: '32-63', endpoints: ['https://two:2379', 'https://three:2379'] },
      ],
      tls: { secret: 'etcd-tls', cert: '', key: '' },
      port: 2379,
    },
  },
  'with metrics': {
    ...secured,
    metrics: {
      enabled: true,
      serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    },
  },
  'with everything that can be set': {
    ...secured,
    fullnameOverride: 'coordinator',
    image: {
      repository: 'registry.example/verdict',
      digest: `sha256:${'a'.repeat(64)}`,
      pullSecrets: ['registry'],
    },
    access: { secret: 'access', nodeTokenKey: 'node.token' },
    replicas: 5,
    options: { maxTransactions: 200_000, attentionAfter: 3 },
    extraArgs: ['--lease-ttl=5000'],
    memoryMiB: 2_048,
    cpu: { request: '1', limit: '2' },
    persistence: { size: '2Gi', storageClass: 'fast' },
    drain: { delaySeconds: 10, seconds: 60 },
    probes: { readiness: '/healthz', startupSeconds: 120 },
    service: { type: 'LoadBalancer', port: 443, annotations: { 'example.test/internal': 'true' } },
    networkPolicy: {
      peers: [{ namespaceSelector: { matchLabels: { team: 'shop' } } }],
      operators: [{ podSelector: { matchLabels: { role: 'operator' } } }],
      monitoring: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }],
      etcd: [{ ipBlock: { cidr: '10.0.0.0/24' } }],
      extraEgress: [{ ports: [{ port: 443 }] }],
    },
    spread: { hosts: 'ScheduleAnyway', zones: 'DoNotSchedule' },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'high',
    podLabels: { team: 'shop' },
    podAnnotations: { 'example.test/note': 'yes' },
    metrics: { enabled: true, port: 9_100 },
  },
  'without what can be left out': {
    ...secured,
    drain: { delaySeconds: 0, seconds: 0 },
    persistence: { enabled: false },
    podDisruptionBudget: false,
    networkPolicy: { enabled: false },
    audit: false,
  },
};

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own.
  readonly spec: any;
}

function helm(args: readonly string[], values: Values) {
  const directory = temporaryDirectory();
  try {
    const file = join(directory.path, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const run = spawnSync(programs.helm, [...args, '--values', file], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, HOME: directory.path, KUBECONFIG: join(directory.path, 'none') },
    });
    return { status: run.status, out: run.stdout, said: run.stderr.trim() };
  } finally {
    directory.remove();
  }
}

const template = (values: Values) =>
  helm(['template', 'verdict', chart, '--namespace', 'shop', '--kube-version', '1.37.2'], values);

function check(manifests: string) {
  const run = spawnSync(programs.check, { input: manifests, encoding: 'utf8', timeout: 60_000 });
  return { status: run.status, out: run.stdout, said: run.stderr.trim() };
}

/** As Kubernetes has them, with its defaults. */
function rendered(values: Values): readonly Rendered[] {
  const made = template(values);
  expect(made).toMatchObject({ status: 0, said: '' });
  const checked = check(made.out);
  expect(checked).toMatchObject({ status: 0, said: '' });
  return checked.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Rendered);
}

function one(objects: readonly Rendered[], kind: string): Rendered {
  const [found, ...more] = objects.filter((each) => each.kind === kind);
  expect(more).toEqual([]);
  return found ?? expect.fail(`no ${kind}`);
}

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts: readonly { readonly mountPath: string }[];
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
}

function containerOf(objects: readonly Rendered[]): Container {
  return one(objects, 'StatefulSet').spec.template.spec.containers[0];
}

describe('the Helm chart', () => {
  skipWithout(missing);

  it.each(Object.entries(sets))('%s: Helm finds no fault', (_name, values) => {
    expect(helm(['lint', '--strict', chart], values)).toMatchObject({ status: 0 });
  });

  describe.each(Object.entries(sets))('%s', (_name, values) => {
    let objects: readonly Rendered[];
    let container: Container;
    beforeAll(() => {
      if ('missing' in result) return;
      objects = rendered(values);
      container = containerOf(objects);
    });

    it('gives the node options that it has, and files that are mounted', () => {
      const program = buildProgram(processIo(), () => undefined);
      const serve = program.commands.find((command) => command.name() === 'serve');
      const known = new Set(serve?.options.map(({ long }) => long));
      // Of the metrics' listener.
      known.add('--metrics-listen');
      const [command, ...flags] = container.args;
      expect(command).toBe('serve');
      for (const flag of flags) expect(known, flag).toContain(flag.split('=', 1)[0]);
      const mounted = container.volumeMounts.map(({ mountPath }) => `${mountPath}/`);
      for (const [, path = ''] of flags.join('\n').matchAll(/=(\/\S+)/g)) {
        expect(
          mounted.filter((mount) => path.startsWith(mount)),
          path,
        ).toHaveLength(1);
      }
    });

    it('gives it the time to drain', () => {
      const { terminationGracePeriodSeconds } = one(objects, 'StatefulSet').spec.template.spec;
      const [, drainMs] = /drainMs=(\d+)/.exec(container.args.join('\n')) ?? expect.fail();
      const delay = container.lifecycle?.preStop.sleep.seconds ?? 0;
      expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(
        delay + Number(drainMs) / 1_000 + 10,
      );
    });

    it('gives it memory beside the heap', () => {
      const { value } = container.env.find(({ name }) => name === 'NODE_OPTIONS') ?? expect.fail();
      const [, heapMiB] = /^--max-old-space-size=(\d+)$/.exec(value ?? '') ?? expect.fail(value);
      const { memory } = container.resources.limits;
      const limitMiB = memory.endsWith('Gi') ? parseInt(memory, 10) * 1_024 : parseInt(memory, 10);
      expect(Number(heapMiB)).toBeGreaterThan(limitMiB / 2);
      expect(limitMiB - Number(heapMiB)).toBeGreaterThanOrEqual(100);
    });

    it('opens secrets to the node alone', () => {
      const { volumes, securityContext } = one(objects, 'StatefulSet').spec.template.spec;
      expect(securityContext).toMatchObject({ runAsUser: 1_000, fsGroup: 1_000 });
      for (const { secret } of volumes) if (secret) expect(secret.defaultMode).toBe(0o400);
    });

    it('has services and a budget that select its pods, by ports that they have', () => {
      const set = one(objects, 'StatefulSet');
      const { labels } = set.spec.template.metadata;
      const ports = set.spec.template.spec.containers[0].ports.map(
        ({ name }: { name: string }) => name,
      );
      const services = objects.filter(({ kind }) => kind === 'Service');
      const nodes = services.filter(({ spec }) => spec.clusterIP === 'None');
      expect(nodes.map(({ metadata }) => metadata.name)).toEqual([set.spec.serviceName]);
      expect(services).toHaveLength(2);
      for (const { spec } of services) {
        expect(labels).toMatchObject(spec.selector);
        for (const { targetPort } of spec.ports) expect(ports).toContain(targetPort);
      }
      const chosen = objects.filter(({ kind }) =>
        ['PodDisruptionBudget', 'NetworkPolicy'].includes(kind),
      );
      for (const { spec } of chosen) {
        expect(labels).toMatchObject((spec.selector ?? spec.podSelector).matchLabels);
      }
    });
  });

  it('makes a ServiceMonitor of the service that has the metrics', () => {
    const objects = rendered(sets['with metrics'] ?? expect.fail());
    const { spec } = one(objects, 'ServiceMonitor');
    const services = objects.filter(
      ({ kind, metadata }) =>
        kind === 'Service' &&
        Object.entries(spec.selector.matchLabels).every(
          ([name, value]) => metadata.labels[name] === value,
        ),
    );
    expect(services.map((service) => service.spec.clusterIP)).toEqual(['None']);
    const ports = services[0]?.spec.ports.map(({ name }: { name: string }) => name);
    expect(ports).toContain(spec.endpoints[0].port);
  });

  it('makes a PrometheusRule of the alerts, as they are', () => {
    const values: Values = {
      ...secured,
      metrics: { enabled: true, prometheusRule: { enabled: true, labels: { release: 'a' } } },
    };
    const { metadata, spec } = one(rendered(values), 'PrometheusRule');
    expect(metadata.labels).toMatchObject({ release: 'a' });
    const alerts = readFileSync(join(root, 'cluster/monitoring/alerts.yml'), 'utf8');
    const names = [...alerts.matchAll(/^\s*- alert: (\S+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(0);
    const rules: { alert: string }[] = spec.groups.flatMap(
      ({ rules: some }: { rules: { alert: string }[] }) => some,
    );
    expect(rules.map(({ alert }) => alert)).toEqual(names);
  });

  it('keeps the clients of other etcds where one of several is down', () => {
    const readiness = (name: string) =>
      one(rendered(sets[name] ?? expect.fail()), 'StatefulSet').spec.template.spec.containers[0]
        .readinessProbe.httpGet.path;
    expect(readiness('secured')).toBe('/readyz');
    expect(readiness('with parts of etcd')).toBe('/healthz');
  });

  it.each<[string, Values, RegExp]>([
    ['no etcd', { access: { insecure: true } }, /etcd/],
    [
      'two kinds of etcd',
      { ...secured, etcd: { ...etcd, parts: [{ shards: '0', endpoints: ['a'] }] } },
      /etcd/,
    ],
    ['an open door', { etcd }, /Everyone who reaches the nodes could do everything/],
    ['two ways in', { etcd, access: { insecure: true, tokenSecret: 'a' } }, /said twice/],
    ['an access file without TLS', { etcd, access: { configMap: 'a' } }, /node shows others/],
    [
      'a user without a password',
      { ...secured, etcd: { ...etcd, account: { user: 'a' } } },
      /password/,
    ],
    ['a value that there is not', { ...secured, replica: 3 }, /replica/],
    ['a group that has no such value', { ...secured, image: { name: 'a' } }, /name/],
    ['a wrong type', { ...secured, replicas: '3' }, /replicas/],
    ['an option twice', { ...secured, options: { drainMs: 1 } }, /drainMs/],
    [
      'a path at etcd',
      { etcd: { endpoints: ['https://a/b'] }, access: { insecure: true } },
      /endpoints/,
    ],
    [
      'a monitor without metrics',
      { ...secured, metrics: { serviceMonitor: { enabled: true } } },
      /metrics.enabled/,
    ],
  ])('refuses %s', (_what, values, message) => {
    const { status, said } = template(values);
    expect(said).toMatch(message);
    expect(status).not.toBe(0);
  });

  it.each<[string, (text: string) => string, RegExp]>([
    [
      'a field that there is not',
      (text) => text.replace('minReadySeconds', 'minReadySecond'),
      /unknown field/,
    ],
    ['a value that is none', (text) => text.replace('scheme: HTTPS', 'scheme: HTTPX'), /HTTPX/],
    [
      'labels that do not match',
      (text) => text.replace(/(kind: StatefulSet[\s\S]*?matchLabels:\s+)app\.k/, '$1cpp.k'),
      /selector/,
    ],
    [
      'a pod that may become root',
      (text) => text.replace('runAsNonRoot: true', 'runAsNonRoot: false'),
      /restricted/,
    ],
    [
      'a mount without a volume',
      (text) =>
        text.replace(
          '- name: tls\n              mountPath',
          '- name: sls\n              mountPath',
        ),
      /volumeMounts/,
    ],
  ])('is checked by a program that refuses %s', (_what, spoil, message) => {
    const { out } = template(secured);
    const spoilt = spoil(out);
    expect(spoilt).not.toBe(out);
    const { status, said } = check(spoilt);
    expect(said).toMatch(message);
    expect(status).toBe(1);
  });

  it('says where clients connect, and what is open', () => {
    const install = ['install', 'verdict', chart, '--namespace', 'shop', '--dry-run=client'];
    const notes = (values: Values) => {
      const { status, out, said } = helm(install, values);
      expect(status, said).toBe(0);
      return out.slice(out.indexOf('NOTES:'));
    };
    expect(notes(secured)).toContain('wss://verdict.shop.svc:7070');
    expect(notes(secured)).not.toContain('Everyone');
    expect(notes(sets['minimal'] ?? expect.fail())).toContain(
      'Everyone who reaches the nodes may do everything',
    );
  });
});

describe.skipIf(etcdPrograms === undefined)('a node with the options of the chart', () => {
  skipWithout(missing);
  const directory = temporaryDirectory();
  let store: TestEtcd;
  beforeAll(async () => {
    if (etcdPrograms !== undefined) store = await TestEtcd.start(etcdPrograms);
  });
  afterAll(async () => {
    await store?.dispose();
    directory.remove();
  });

  /** As a secret is mounted: for the node's account alone. */
  function mount(folder: string, files: Readonly<Record<string, string>>): void {
    mkdirSync(folder, { recursive: true });
    for (const [file, from] of Object.entries(files)) {
      copyFileSync(from, join(folder, file));
      chmodSync(join(folder, file), 0o400);
    }
  }

  it.each(['token', 'certificates'])('becomes ready, with %s', async (way) => {
    const certificates = join(directory.path, 'certs');
    const mounted = join(directory.path, `mounted-${way}`);
    execFileSync(
      process.execPath,
      [
        'bin/verdict.mjs',
        'dev-ca',
        '--directory',
        certificates,
        '--node',
        'verdict-0',
        '--identity',
        'operator:alice',
      ],
      { cwd: root, timeout: 60_000 },
    );
    writeFileSync(join(directory.path, 'token'), 'a-token-of-more-than-twenty-characters');
    mount(join(mounted, 'tls'), {
      'ca.crt': join(certificates, 'ca.crt'),
      'tls.crt': join(certificates, 'nodes/verdict-0.crt'),
      'tls.key': join(certificates, 'nodes/verdict-0.key'),
    });
    mount(join(mounted, 'access'), {
      token: join(directory.path, 'token'),
      'access.json': join(certificates, 'access.json'),
    });
    const values: Values = {
      etcd: { endpoints: store.endpoints },
      cluster: way,
      ...(way === 'token'
        ? { access: { tokenSecret: 'token' } }
        : { tls: { secret: 'nodes-tls' }, access: { configMap: 'access' } }),
    };
    const port = await freePort();
    const args = containerOf(rendered(values)).args.map((arg) =>
      arg
        .replaceAll('$(POD_NAME)', 'verdict-0')
        .replace('/etc/verdict', mounted)
        .replace('=/data/', `=${join(directory.path, `data-${way}`)}/`)
        .replace('0.0.0.0:7070', `127.0.0.1:${port}`),
    );
    const node = new Child('bin/verdict.mjs', { args });
    try {
      expect(await node.line(/"msg":"Ready\."/), node.lines.join('\n')).not.toBeNull();
      expect((await node.stop()).code).toBe(0);
      expect(node.lines.filter((line) => line.includes('"event":"started"'))).toHaveLength(1);
    } finally {
      await node.kill();
    }
  });
});
