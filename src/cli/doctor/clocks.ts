/**
 * Wall clocks of others, by the `Date` of an HTTP answer. It has whole seconds and was written at
 * some moment while the question was under way. So it gives bounds, and only clocks whose bounds
 * are apart are known to differ.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { durationText } from '../text.ts';
import type { Findings } from './finding.ts';

/** By how much it is ahead of the clock here, at least and at most. */
export interface ClockBounds {
  readonly who: string;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface HttpAnswer {
  readonly body: string;
  readonly clock: Omit<ClockBounds, 'who'> | null;
}

export interface HttpTls {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
}

const maxBodyBytes = 4 * 1_024 * 1_024;
const resolutionMs = 1_000;

export function get(url: string, timeoutMs: number, tls: HttpTls = {}): Promise<HttpAnswer> {
  const sentMs = Date.now();
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...tls }, (response) => {
      const clock = boundsOf(response.headers.date, sentMs, Date.now());
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > maxBodyBytes) asked.destroy(new Error('an answer without end'));
      });
      response.on('end', () => resolve({ body: Buffer.concat(chunks).toString(), clock }));
      response.on('error', reject);
    });
    const timer = setTimeout(
      () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    asked.on('close', () => clearTimeout(timer));
    asked.on('error', reject);
    asked.end();
  });
}

export function boundsOf(
  date: string | undefined,
  sentMs: number,
  receivedMs: number,
): Omit<ClockBounds, 'who'> | null {
  const toldMs = Date.parse(date ?? '');
  if (Number.isNaN(toldMs)) return null;
  return { minMs: toldMs - receivedMs, maxMs: toldMs + resolutionMs - sentMs };
}

/** More than this can be seen through whole seconds, and matters to who reads logs and JWTs. */
const toleratedMs = 1_000;

export function judgeClocks(findings: Findings, clocks: readonly ClockBounds[]): void {
  const check = 'clocks';
  if (clocks.length < 2) {
    return findings.skipped(check, 'There are not two clocks whose time could be read over HTTP.');
  }
  const behind = clocks.reduce((one, other) => (other.maxMs < one.maxMs ? other : one));
  const ahead = clocks.reduce((one, other) => (other.minMs > one.minMs ? other : one));
  const apartMs = ahead.minMs - behind.maxMs;
  if (apartMs > toleratedMs) {
    return findings.warning(
      check,
      `The clock of ${ahead.who} is ahead of that of ${behind.who} by ${durationText(apartMs)} at least (by the Date of HTTP answers).`,
      'Let all machines follow one time server. Outcomes never depend on it, but the order of log lines, the lifetime of JWTs and certificates, and the ages that are shown do.',
    );
  }
  findings.ok(
    check,
    `${clocks.length} clocks agree, as far as the Date of HTTP answers tells (whole seconds).`,
  );
}
