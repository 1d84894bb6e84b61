/** What an HTTP answer means for the attempt (design section 6.6). */
import type { Result, ResultDetail } from '#core';

import { isRetryable, retryAfterMs } from '../../http-answers.ts';

const OUTPUT_BYTES = 65_536;

/** Reads at most 64 KiB of the body; what the status says is never changed by a body that breaks off. */
export async function readAnswer(response: Response, url: string, tookMs: number, nowMs: number): Promise<Result> {
  const { status, headers } = response;
  const output = await readOutput(response);
  const detail = `${status} in ${Math.round(tookMs)} ms`;
  const seen: ResultDetail = output === '' ? { detail } : { detail, output };

  if (response.ok) return { status: 'delivered', ...seen };
  if (isRetryable(status)) {
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
