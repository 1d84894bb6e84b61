/** Metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Of the family, or with `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels?: Labels;
  readonly value: number;
}

export interface MetricFamily {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export function counter(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, type: 'counter', help, samples };
}

export function gauge(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, type: 'gauge', help, samples };
}

export function histogram(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, type: 'histogram', help, samples };
}

/** Families without a sample are told with their type: a scraper then knows that they exist. */
export function metricText(families: readonly MetricFamily[]): string {
  return families.map(familyText).join('');
}

function familyText({ name, type, help, samples }: MetricFamily): string {
  const lines = samples.map(({ suffix = '', labels = {}, value }) => `${name}${suffix}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Counts by labels. Sums of numbers that were added; labels are few, by the rule of their maker. */
export class Counter {
  readonly #counts = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels, value = 1): void {
    const key = JSON.stringify(labels);
    const known = this.#counts.get(key);
    if (known) known.value += value;
    else this.#counts.set(key, { labels, value });
  }

  get samples(): Sample[] {
    return [...this.#counts.values()].map(({ labels, value }) => ({ labels, value }));
  }
}

/** How long things took, in seconds. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number }>();

  /** Upper bounds, rising, seconds. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Labels, seconds: number): void {
    const key = JSON.stringify(labels);
    const counts = [...this.#bounds.map(() => 0), 0];
    const series = this.#series.get(key) ?? { labels, counts, sum: 0 };
    this.#series.set(key, series);
    const at = this.#bounds.findIndex((bound) => seconds <= bound);
    const slot = at === -1 ? this.#bounds.length : at;
    series.counts[slot] = (series.counts[slot] ?? 0) + 1;
    series.sum += seconds;
  }

  get samples(): Sample[] {
    const samples: Sample[] = [];
    for (const { labels, counts, sum } of this.#series.values()) {
      let total = 0;
      for (const [at, count] of counts.entries()) {
        total += count;
        const le = String(this.#bounds[at] ?? '+Inf');
        samples.push({ suffix: '_bucket', labels: { ...labels, le }, value: total });
      }
      samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: total });
    }
    return samples;
  }
}
