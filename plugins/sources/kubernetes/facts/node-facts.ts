/** What a Node's conditions tell (spec kubelet, K10). */
import { conditionOf, type NodeView } from '../objects.ts';
import { type Fact, factId } from './fact.ts';

const PRESSURES = ['DiskPressure', 'MemoryPressure', 'PIDPressure', 'NetworkUnavailable'];

/** What is so now; `known`: the node as it was told last, null for one that is new. */
export function nodeFacts(node: NodeView, known: NodeView | null, now: number): Fact[] {
  const pressures = PRESSURES.flatMap((type) => {
    const condition = conditionOf(node, type);
    if (condition?.status !== 'True' || (known && conditionOf(known, type)?.status === 'True')) return [];
    const { reason, message, since } = condition;
    const id = factId('pressure', node.uid, type, since ?? 0);
    return [fact('node-pressure', node, id, since ?? now, reason || type, message)];
  });
  return [...notReady(node, known, now), ...pressures];
}

/** From ready to anything else is one event, however often the reason changes before it is ready again. */
function notReady(node: NodeView, known: NodeView | null, now: number): Fact[] {
  const ready = conditionOf(node, 'Ready');
  if (!ready || ready.status === 'True') return [];
  const before = known ? conditionOf(known, 'Ready') : undefined;
  if (before && before.status !== 'True') return [];
  const id = factId('not-ready', node.uid, ready.since ?? 0);
  return [fact('node-not-ready', node, id, ready.since ?? now, ready.reason, ready.message)];
}

function fact(
  type: 'node-not-ready' | 'node-pressure',
  node: NodeView,
  id: string,
  at: number,
  reason: string,
  message: string,
): Fact {
  return { type, id, at, about: node, pod: null, attributes: { reason, message, node_name: node.name, fault: true } };
}
