/** `npm run replay -- FOLDER [--speed N]`: the events of a folder of recorded watches, as JSON lines. */
import { parseArgs } from 'node:util';

import { readRecording } from './recording.ts';
import { replay } from './replay.ts';

const USAGE = `Usage: npm run -s replay -- FOLDER [--speed N] [--delay COLLECTION=SECONDS]… [--close-after LINES] [--cut-every SECONDS]

Replays recorded watches (pods.jsonl, nodes.jsonl, events-core-v1.jsonl, replicasets.jsonl, jobs.jsonl; also .gz and .xz; each line
{"at": ms, "type", "object"}) to the kubernetes source in both roles, and prints each event once, as one line of JSON.

  --speed N        at most so many times as fast as recorded; 1: at its pace (default: as fast as it goes)
  --delay C=S      the stream of C (pods, nodes, events) comes S seconds late
  --close-after N  the server ends each watch after N lines
  --cut-every S    all connections are cut every S seconds of the recording
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    speed: { type: 'string', default: 'Infinity' },
    delay: { type: 'string', multiple: true, default: [] },
    'close-after': { type: 'string' },
    'cut-every': { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
const [folder] = positionals;
if (values.help === true || folder === undefined) {
  process.stderr.write(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
const seconds = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text) * 1000;
const delays = Object.fromEntries(
  values.delay.map((text) => [text.split('=')[0] ?? '', seconds(text.split('=')[1]) ?? 0]),
);
const closeAfter = values['close-after'] === undefined ? undefined : Number(values['close-after']);
const cutEvery = seconds(values['cut-every']);
await replay({
  recording: readRecording(folder),
  speed: Number(values.speed),
  delays,
  ...(closeAfter === undefined ? {} : { closeAfter }),
  ...(cutEvery === undefined ? {} : { cutEvery }),
  onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
});
