/** Lines over the last minutes. What they say stands beside them in words: a canvas tells no one. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { timeOfDay } from '../model/text.ts';

export interface Line {
  readonly label: string;
  /** Of the palette. */
  readonly color: string;
}

export interface ChartProps {
  readonly label: string;
  readonly lines: readonly Line[];
  /** Times in seconds, then each line. */
  readonly columns: readonly (readonly (number | null)[])[];
  readonly theme: string;
  readonly format: (value: number) => string;
}

const height = 150;
const axisSize = 56;

export function Chart({ label, lines, columns, theme, format }: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef(columns);
  data.current = columns;
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const color = (name: string): string =>
      getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const made = new uPlot(
      optionsOf({ lines, color, format, width: Math.max(120, element.clientWidth) }),
      data.current as unknown as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => {
      made.setSize({ width: Math.max(120, element.clientWidth), height });
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [theme]);
  useEffect(() => {
    plot.current?.setData(columns as unknown as uPlot.AlignedData);
  }, [columns]);
  return <div class="chart" ref={place} role="img" aria-label={label} />;
}

function optionsOf(given: {
  readonly lines: readonly Line[];
  readonly color: (name: string) => string;
  readonly format: (value: number) => string;
  readonly width: number;
}): uPlot.Options {
  const { lines, color, format, width } = given;
  const grid = { stroke: color('--line'), width: 1 };
  const axis = {
    stroke: color('--quiet'),
    grid,
    ticks: { ...grid, size: 4 },
    font: '11px system-ui',
  };
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.15)] } },
    axes: [
      {
        ...axis,
        space: 80,
        values: (_plot, ticks) => ticks.map((tick) => timeOfDay(tick * 1_000)),
      },
      { ...axis, size: axisSize, values: (_plot, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(line.color),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}
