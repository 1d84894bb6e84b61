/** What an HTTP answer means for the attempt (design section 6.6). */
import type { Result, ResultDetail } from '#core';

/** Answers that a later attempt may turn into a success, beside every 5xx. */
const RETRYABLE = new Set([408, 425, 429]);
const OUTPUT_BYTES = 65_536;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Every form of a date in HTTP begins with the day of the week; the oldest leaves out that it means GMT. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/;

/** Reads at most 64 KiB of the body; what the status says is never changed by a body that breaks off. */
export async function readAnswer(response: Response, url: string, tookMs: number, nowMs: number): Promise<Result> {
  const { status, headers } = response;
  const output = await readOutput(response);
  const detail = `${status} in ${Math.round(tookMs)} ms`;
  const seen: ResultDetail = output === '' ? { detail } : { detail, output };

  if (response.ok) return { status: 'delivered', ...seen };
  if (RETRYABLE.has(status) || status >= 500) {
    const afterMs = retryAfterMs(headers.get('retry-after'), nowMs);
    return {
      status: 'retry',
      reason: `endpoint answered ${status}`,
      ...seen,
      ...(afterMs === undefined ? {} : { afterMs }),
    };
  }
  const redirect = redirectHost(headers.get('location'), url);
  const reason =
    status >= 300 && status < 400 && redirect !== null
      ? `endpoint answered ${status}: redirects to ${redirect} are not followed`
      : `endpoint answered ${status}`;
  return { status: 'rejected', reason, ...seen };
}

/** `Retry-After`, seconds or a date, as milliseconds from now, at most an hour; undefined when it is neither. */
export function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : httpDate(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

function httpDate(text: string): number {
  if (!HTTP_DATE.test(text)) return Number.NaN;
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
}

/** Leaving the loop early cancels the rest of the body. */
async function readOutput({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= OUTPUT_BYTES) break;
    }
  } catch {
    // The answer counts by its status; of the body there is what has come.
  }
  return Buffer.concat(chunks).subarray(0, OUTPUT_BYTES).toString('utf8');
}

function redirectHost(location: string | null, base: string): string | null {
  if (location === null) return null;
  return URL.canParse(location, base) ? new URL(location, base).host : 'nowhere';
}
