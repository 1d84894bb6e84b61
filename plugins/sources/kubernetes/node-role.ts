/** Every sidecar: the pods of its node. */
import { parseLeft, PodMemories } from './memory.ts';
import { podOf } from './objects.ts';
import { Pods } from './pods.ts';
import type { Role, RoleParts } from './role.ts';
import { Teller } from './teller.ts';

export function createNodeRole(parts: RoleParts): Role {
  const { config, context, signal, onError } = parts;
  const { clock, log, memory, node } = context;
  const ended = Promise.withResolvers<void>();
  let memories: PodMemories | null = null;
  let running: Promise<void> = Promise.resolve();

  return {
    ended: ended.promise,
    async start() {
      const left = parseLeft(await memory.read());
      const teller = new Teller(parts);
      const kept = new PodMemories({ memory, clock, log, signal, current: () => pods.memory });
      const pods = new Pods({
        clock,
        signal,
        left,
        pendingAfterMs: config.pendingAfter,
        staleAfterMs: config.staleAfter,
        tell: (facts) => teller.tell(facts),
        onChange: () => kept.changed(),
        onError,
      });
      memories = kept;
      const reflector = parts.reflector('/api/v1/pods', `spec.nodeName=${node}`, {
        listed: async (objects, gap) => {
          if (gap) await teller.gap('pods', 'the watch could not be resumed');
          await pods.listed(objects.map(podOf), !gap);
        },
        changed: (type, object) => (type === 'DELETED' ? pods.deleted(podOf(object)) : pods.changed(podOf(object))),
      });
      running = reflector.run();
      running.then(ended.resolve, ended.reject);
      await Promise.race([reflector.synced, ended.promise]);
      parts.hears('the pods of this node');
    },
    async stop() {
      await running.catch(() => undefined);
      await memories?.flush();
    },
  };
}
