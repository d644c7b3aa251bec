/** The library mode in one trace: the caller's span, the coordinator's, what participants do. */
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it } from 'vitest';
import type { EmbeddedParticipant } from '../../../src/embedded.ts';
import { using } from '../../support/library/embedded-rig.ts';
import { record, type SeenSpan } from '../../support/tracing/recorder.ts';
import { pathsOf } from '../../support/tracing/traced-processes.ts';

const tracer = () => trace.getTracer('application');
let spans: SeenSpan[] = [];

afterEach(() => {
  trace.disable();
  context.disable();
  propagation.disable();
  spans = [];
});

function traced(name: string, voted = true): EmbeddedParticipant {
  const work = async (what: string): Promise<boolean> => {
    await Promise.resolve();
    tracer().startSpan(what).end();
    return true;
  };
  return {
    name,
    prepare: async () => (await work('reserve')) && voted,
    commit: () => work('confirm'),
    rollback: () => work('release'),
  };
}

/** Ends `checkout`, the span within which it all happens; its trace. */
async function checkout(participants: EmbeddedParticipant[], isCommitted: boolean) {
  record({ process: 'app', ended: (span) => spans.push(span) });
  const above = tracer().startSpan('checkout');
  await context.with(trace.setSpan(ROOT_CONTEXT, above), () =>
    using({}, async (coordinator) => {
      const txid = await coordinator.beginTransaction();
      for (const each of participants) await coordinator.registerParticipant(txid, each);
      expect(await coordinator.commitTransaction(txid)).toBe(isCommitted);
      await coordinator.whenSettled(txid);
    }),
  );
  above.end();
  return pathsOf(spans, above.spanContext().traceId);
}

const root = 'app: checkout > app: verdict coordinate';

describe('the library mode', () => {
  it('commits in one trace', async () => {
    expect(await checkout([traced('stock')], true)).toEqual(
      [
        'app: checkout',
        root,
        `${root} > app: verdict log`,
        `${root} > app: verdict prepare`,
        `${root} > app: verdict prepare > app: reserve`,
        `${root} > app: verdict commit`,
        `${root} > app: verdict commit > app: confirm`,
      ].sort(),
    );
    expect(spans.every(({ kind }) => kind === 'INTERNAL')).toBe(true);
  });

  it('rolls back in one trace', async () => {
    const paths = await checkout([traced('stock'), traced('payment', false)], false);
    expect(paths).toContain(`${root} > app: verdict rollback > app: release`);
  });
});
