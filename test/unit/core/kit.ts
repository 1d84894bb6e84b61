import { readHookFile, type ReadHooks, Duration, type Issue, type ObjectSchema, Type, type Vocabulary } from '#core';

/** Two actions and two sources of no plugin. */
export const vocabulary: Vocabulary = {
  actions: new Map<string, ObjectSchema>([
    [
      'script',
      Type.Object(
        {
          command: Type.Optional(Type.Array(Type.String(), { minItems: 1, description: 'Program.' })),
          script: Type.Optional(Type.String({ description: 'Shell text.' })),
          timeout: Duration({ default: '30s', minimum: '1ms', maximum: '49d', description: 'Limit.' }),
        },
        { additionalProperties: false },
      ),
    ],
    [
      'webhook',
      Type.Object(
        {
          url: Type.String({ pattern: '^https?://', description: 'Where to.' }),
          timeout: Duration({ default: '5s', minimum: '100ms', description: 'Limit.' }),
        },
        { additionalProperties: false },
      ),
    ],
  ]),
  sources: new Map([
    ['netlink', ['netlink.link-added', 'netlink.link-deleted', 'netlink.link-changed']],
    ['agent', ['agent.pre-tool-use']],
  ]),
};

/** What one hook needs, beside a `spec` of the test's own. */
export const HEAD = 'apiVersion: trotline.dev/v1alpha1\nkind: EventHook\nmetadata: { name: a }\n';
export const ACTIONS = '  actions: [{ type: webhook, config: { url: "http://h/" } }]\n';

export function read(text: string, file = 'net.yaml'): ReadHooks {
  return readHookFile(text, file, vocabulary);
}

/** `12:7 /spec/run message` of every problem. */
export function problems(text: string): string[] {
  return read(text).refused.flatMap(({ issues }) => issues.map(summary));
}

export function summary({ line, column, path, message }: Issue): string {
  return `${line}:${column} ${path} ${message}`;
}

/** What was thrown; fails when nothing is. */
export function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
