/**
 * The Helm chart's values.yaml and README.md, made from its values.schema.json, and its copy of the
 * alerts: `npm run docs:chart` writes them, a test holds them against it.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const chart = (name: string): string =>
  fileURLToPath(new URL(`../../cluster/helm/verdict/${name}`, import.meta.url));

export const chartPaths: Readonly<Record<'schema' | 'values' | 'readme' | 'alerts', string>> = {
  schema: chart('values.schema.json'),
  values: chart('values.yaml'),
  readme: chart('README.md'),
  alerts: chart('files/alerts.yml'),
};

/** What Helm reads must be in the chart, and no link. */
export const alertsPath: string = chart('../../monitoring/alerts.yml');

interface Value {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description: string;
  readonly default?: unknown;
  /** Of what each is said: a group of values. */
  readonly properties?: Readonly<Record<string, Value>>;
}

const columns = 100;

function values(): readonly (readonly [string, Value])[] {
  const { properties } = JSON.parse(readFileSync(chartPaths.schema, 'utf8')) as {
    readonly properties: Readonly<Record<string, Value>>;
  };
  return Object.entries(properties).filter(([name]) => name !== 'global');
}

export function valuesFile(): string {
  return `# Made from values.schema.json by \`npm run docs:chart\`.\n\n${values()
    .map(([name, value]) => yaml(name, value, ''))
    .join('\n')}`;
}

function yaml(name: string, value: Value, indent: string): string {
  const comment = wrapped(value.description, columns - indent.length - 2)
    .map((line) => `${indent}# ${line}\n`)
    .join('');
  if (value.properties === undefined) {
    return `${comment}${indent}${name}: ${JSON.stringify(value.default)}\n`;
  }
  const parts = Object.entries(value.properties).map(([each, part]) =>
    yaml(each, part, `${indent}  `),
  );
  return `${comment}${indent}${name}:\n${parts.join('')}`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

const marker = '<!-- Made from values.schema.json by `npm run docs:chart`. -->';

/** What is before the table is written by hand. */
export function readme(before: string): string {
  const [head = ''] = before.split(marker);
  const rows = values().flatMap(([name, value]) => tableRows(name, value));
  return `${head}${marker}

| value | default | meaning |
| --- | --- | --- |
${rows.join('\n')}
`;
}

function tableRows(name: string, value: Value): string[] {
  if (value.properties === undefined) {
    return [`| \`${name}\` | \`${JSON.stringify(value.default)}\` | ${cell(value.description)} |`];
  }
  return [
    `| \`${name}\` | | *${cell(value.description)}* |`,
    ...Object.entries(value.properties).flatMap(([each, part]) =>
      tableRows(`${name}.${each}`, part),
    ),
  ];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (import.meta.main) {
  copyFileSync(alertsPath, chartPaths.alerts);
  writeFileSync(chartPaths.values, valuesFile());
  writeFileSync(chartPaths.readme, readme(readFileSync(chartPaths.readme, 'utf8')));
}
