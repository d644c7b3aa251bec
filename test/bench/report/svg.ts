/** A chart as an SVG: lines with markers, axes, a legend. Whole by itself: no script, no font. */
import type { Chart, Point } from '../suite/section.ts';
import { type Scale, scaleOf, xScaleOf } from './scale.ts';
import { shownTick } from './shown.ts';

const width = 760;
const legendRowHeight = 20;
const legendColumns = 3;
const plot = { left: 76, right: 24, height: 300, titleHeight: 44, axisHeight: 56 } as const;
const plotWidth = width - plot.left - plot.right;
/** Told apart also by who sees no red and green (Okabe and Ito). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
/** Whoever sees no colours: the second round of them is dashed. */
const dashes = ['', '6 4', '2 3'];

export function svgOf(chart: Chart): string {
  const points = chart.lines.flatMap((line) => line.points);
  const xScale = xScaleOf(
    chart.x.scale,
    points.map(({ x }) => x),
  );
  const yScale = scaleOf(
    chart.y.scale,
    points.map(({ y }) => y),
  );
  const legendHeight = Math.ceil(chart.lines.length / legendColumns) * legendRowHeight;
  const top = plot.titleHeight + legendHeight;
  const bottom = top + plot.height;
  const height = bottom + plot.axisHeight;
  const x = (value: number): number | null => placed(xScale, value, plot.left, plotWidth);
  const y = (value: number): number | null => placed(yScale, value, bottom, -plot.height);
  const body = [
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(width / 2, 26, chart.title, 'text-anchor="middle" font-size="16" font-weight="bold"'),
    ...chart.lines.map((line, index) => legend(line.name, index)),
    ...yScale.ticks.flatMap((tick) => horizontal(tick, y(tick))),
    ...xScale.ticks.flatMap((tick) => vertical(tick, x(tick), { top, bottom })),
    path([`M${plot.left} ${top}`, `V${bottom}`, `H${width - plot.right}`], '#333333'),
    text(plot.left + plotWidth / 2, height - 12, chart.x.title, 'text-anchor="middle"'),
    text(
      18,
      top + plot.height / 2,
      chart.y.title,
      `text-anchor="middle" transform="rotate(-90 18 ${top + plot.height / 2})"`,
    ),
    ...chart.lines.flatMap((line, index) => drawn(line.points, { x, y, index })),
    ...(points.length === 0
      ? [text(width / 2, top + plot.height / 2, 'nothing was measured', 'text-anchor="middle"')]
      : []),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<title>${escaped(chart.title)}</title>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

function placed(scale: Scale, value: number, start: number, length: number): number | null {
  const part = scale.place(value);
  return part === null ? null : rounded(start + part * length);
}

function legend(name: string, index: number): string {
  const left = plot.left + (index % legendColumns) * (plotWidth / legendColumns);
  const at = plot.titleHeight + Math.floor(index / legendColumns) * legendRowHeight;
  const line = path([`M${rounded(left)} ${at}`, 'h22'], colourOf(index), dashOf(index));
  return line + text(rounded(left) + 28, at + 4, name);
}

function horizontal(tick: number, at: number | null): string[] {
  if (at === null) return [];
  return [
    path([`M${plot.left} ${at}`, `h${plotWidth}`], '#dddddd'),
    text(plot.left - 8, at + 4, shownTick(tick), 'text-anchor="end"'),
  ];
}

function vertical(
  tick: number,
  at: number | null,
  { top, bottom }: { readonly top: number; readonly bottom: number },
): string[] {
  if (at === null) return [];
  return [
    path([`M${at} ${top}`, `V${bottom}`], '#eeeeee'),
    text(at, bottom + 18, shownTick(tick), 'text-anchor="middle"'),
  ];
}

interface Drawing {
  readonly x: (value: number) => number | null;
  readonly y: (value: number) => number | null;
  readonly index: number;
}

/** What has no place is left out, and breaks the line: it was not measured. */
function drawn(points: readonly Point[], { x, y, index }: Drawing): string[] {
  const steps: string[] = [];
  const markers: string[] = [];
  let pen = 'M';
  for (const point of points) {
    const [left, top] = [x(point.x), y(point.y)];
    if (left === null || top === null) {
      pen = 'M';
      continue;
    }
    steps.push(`${pen}${left} ${top}`);
    markers.push(`<circle cx="${left}" cy="${top}" r="3" fill="${colourOf(index)}"/>`);
    pen = 'L';
  }
  if (steps.length === 0) return [];
  return [path(steps, colourOf(index), dashOf(index)), ...markers];
}

function colourOf(index: number): string {
  return colours[index % colours.length] ?? '#000000';
}

function dashOf(index: number): string {
  return dashes[Math.floor(index / colours.length) % dashes.length] ?? '';
}

function path(steps: readonly string[], colour: string, dash: string | null = null): string {
  const wide = dash === null ? 1 : 2;
  const dashed = dash === null || dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  return `<path d="${steps.join('')}" fill="none" stroke="${colour}" stroke-width="${wide}"${dashed}/>`;
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${x}" y="${y}"${more === '' ? '' : ` ${more}`}>${escaped(content)}</text>`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  const names: Readonly<Record<string, string>> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot' };
  return content.replaceAll(/[&<>"]/g, (sign) => `&${names[sign]};`);
}
