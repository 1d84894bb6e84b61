/** How fast conditions are evaluated, alone and by the router (design 11, `filter`). */
import { type Condition, createHook, EventHookSpec, loadCel, parseConfig } from '../../core/index.ts';
import type { TrotlineEvent } from '../../core/event.ts';
import { compileCondition } from '../../core/filter/index.ts';
import { compileHook, createRouter } from '../../sidecar/router.ts';

const EXAMPLE = "(interface =~ 'veth.*' AND message_type == 16) OR event_type == 1";
const LITERAL = "interface =~ 'veth.*'";
const REGULAR = "interface =~ '(veth|cali)[0-9a-f]+'";

const CEL = 'event.interface.startsWith("veth") && event.message_type == 16 || event.event_type == 1';

const RUNS = 7;
const EVENTS = 4_096;
const EVALUATION_PASSES = 500;
const ROUTE_PASSES = 5;
const HOOKS = 1_000;

/** Medians and the lowest and highest of all runs, by metric. */
export interface BenchResult {
  readonly metrics: Record<string, number>;
  readonly runs: number;
  readonly spread: Record<string, [number, number]>;
}

/** Takes about three seconds. */
export async function run(): Promise<BenchResult> {
  const events = Array.from({ length: EVENTS }, (_, index) => variedEvent(index));
  const measured: Record<string, number[]> = {
    evalsPerSecond: evaluations(compileCondition(EXAMPLE), events),
    literalEvalsPerSecond: evaluations(compileCondition(LITERAL), events),
    regexEvalsPerSecond: evaluations(compileCondition(REGULAR), events),
    celEvalsPerSecond: evaluations((await loadCel())(CEL), events),
    route1000HooksMicros: await routes(events),
  };

  const metrics: Record<string, number> = {};
  const spread: Record<string, [number, number]> = {};
  for (const [name, values] of Object.entries(measured)) {
    const sorted = values.toSorted((a, b) => a - b);
    metrics[name] = sorted[Math.floor(sorted.length / 2)] ?? 0;
    spread[name] = [sorted[0] ?? 0, sorted.at(-1) ?? 0];
  }
  return { metrics, runs: RUNS, spread };
}

function evaluations({ matches }: Condition, events: readonly TrotlineEvent[]): number[] {
  const seconds = timed(EVALUATION_PASSES, events, (event) => (matches(event) ? 1 : 0));
  return seconds.map((each) => Math.round((EVENTS * EVALUATION_PASSES) / each));
}

/** Each event has the candidates of its type: a tenth of all hooks. */
async function routes(events: readonly TrotlineEvent[]): Promise<number[]> {
  const hooks = Array.from({ length: HOOKS }, (_, index) => compileHook(variedHook(index)));
  const router = createRouter(await Promise.all(hooks));
  const seconds = timed(ROUTE_PASSES, events, (event) => router.route(event).length);
  return seconds.map((each) => (each * 1e6) / (EVENTS * ROUTE_PASSES));
}

/** Seconds of each run. A first pass warms up and says what each other must add up to. */
function timed(passes: number, events: readonly TrotlineEvent[], count: (event: TrotlineEvent) => number): number[] {
  const pass = () => {
    let sum = 0;
    for (const event of events) sum += count(event);
    return sum;
  };
  const expected = pass() * passes;
  return Array.from({ length: RUNS }, () => {
    let sum = 0;
    const from = performance.now();
    for (let done = 0; done < passes; done++) sum += pass();
    const seconds = (performance.now() - from) / 1_000;
    if (sum !== expected) throw new Error(`${sum} matches, not ${expected}`);
    return seconds;
  });
}

const TYPES = 10;
const STEMS = ['veth', 'cali', 'eth', 'wlan', 'docker'];
const MESSAGES = [16, 17, 20, 24, 28];

/** Events that differ in every field; half of them have a link's attributes, so that their shapes differ too. */
function variedEvent(index: number): TrotlineEvent {
  const suffix = ((index * 2_654_435_761) >>> 0).toString(16);
  return {
    id: `netlink-1-${index}`,
    source: 'netlink',
    node: 'bench',
    life: '1',
    type: `netlink.type-${(index * 7) % TYPES}`,
    subject: suffix,
    time: 1_700_000_000_000 + index,
    sequence: index + 1,
    synthetic: false,
    interface: `${STEMS[index % STEMS.length] ?? ''}${suffix}`,
    namespace: index % 3 === 0 ? '' : `netns-${index % 3}`,
    messageType: MESSAGES[(index * 7) % MESSAGES.length] ?? 16,
    eventType: (index * 3) % 5,
    attributes: index % 2 === 0 ? {} : { 'netlink.link.mtu': 1_500 + (index % 9), 'netlink.link.ifindex': index },
  };
}

/** Hooks of every type, with conditions of every form and no two alike. */
function variedHook(index: number) {
  const conditions = [
    `(interface =~ 'veth${index.toString(16)}.*' AND message_type == 16) OR event_type == ${index}`,
    `interface == 'eth${index}' OR sequence == ${index}`,
    `message_type IN [17, 21, ${index}]`,
    `netlink.link.mtu >= ${1_505 + (index % 4)} AND interface =~ '^cali'`,
    `interface =~ '(veth|cali)[0-9a-f]{${1 + (index % 8)}}'`,
  ];
  const spec = parseConfig(
    EventHookSpec,
    {
      source: 'netlink',
      eventTypes: [`netlink.type-${index % TYPES}`],
      condition: conditions[Math.floor(index / TYPES) % conditions.length],
      actions: [{ type: 'none' }],
    },
    'bench hook',
  );
  return createHook({ namespace: 'bench', name: `hook-${index}`, form: 'EventHook', spec, origin: null });
}
