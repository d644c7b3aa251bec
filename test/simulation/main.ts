import { drawPlan } from './plan.ts';
import { runPlan } from './run.ts';

setImmediate(() => {
  const from = Number(process.argv[2] ?? 1);
  const count = Number(process.argv[3] ?? 1);
  const trace = process.argv[4] === 'trace';
  const startMs = performance.now();
  let events = 0;
  let bad = 0;
  let sim = 0;
  const tally: Record<string, number> = {};
  for (let seed = from; seed < from + count; seed += 1) {
    const result = runPlan(drawPlan(seed), { trace });
    events += result.events;
    sim += result.simulatedMs;
    for (const call of result.calls)
      tally[String(call.ended)] = (tally[String(call.ended)] ?? 0) + 1;
    if (trace) for (const line of result.trace) console.log(line);
    if (result.violation !== null) {
      bad += 1;
      console.log(seed, result.violation.message.slice(0, 400));
      if (count === 1) console.log(result.violation.stack);
    }
  }
  const ms = performance.now() - startMs;
  console.log({
    count,
    bad,
    ms,
    perSeed: ms / count,
    events: events / count,
    simS: sim / count / 1000,
    tally,
  });
});
