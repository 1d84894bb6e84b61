import type { EventDraft, SourceContext } from '#core';

import type { Fact } from './facts/fact.ts';
import type { Identity, PodView } from './objects.ts';
import { type Agents, type Change, changeOf } from './marks.ts';
import { Owners } from './owners.ts';
import type { RoleParts } from './role.ts';

/** The longest text of an attribute: kubelets write up to 1 KiB, a termination log is 4 KiB. */
const MAX_TEXT = 4096;

type Unnumbered = Omit<EventDraft, 'sequence'>;

/** Makes events of facts, in the order they are given, and hands them over. */
export class Teller {
  readonly #context: SourceContext;
  readonly #owners: Owners;
  readonly #agents: Agents;
  #sequence = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor({ client, config, context, signal }: RoleParts) {
    this.#context = context;
    this.#owners = new Owners(client, context.clock, signal);
    this.#agents = { managers: config.agentManagers, withinMs: config.agentChangeWithin };
  }

  /** Resolves when they are journaled or unmatched; rejects when the sidecar takes no more. */
  tell(facts: readonly Fact[]): Promise<void> {
    if (facts.length === 0) return this.#turn;
    const made = Promise.all(facts.map((fact) => this.#draft(fact)));
    return this.#inTurn(() => made);
  }

  /** One that failed is its caller's; those after it have their own turn. */
  #inTurn(make: () => Promise<readonly Unnumbered[]>): Promise<void> {
    const turn = this.#turn.then(async () => {
      const drafts: EventDraft[] = [];
      for (const draft of await make()) drafts.push({ ...draft, sequence: ++this.#sequence });
      return this.#context.emit(drafts);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** That a part of a stream was not heard, and the list that came after it tells only what is so now. */
  gap(collection: string, reason: string): Promise<void> {
    return this.#inTurn(async () => [
      {
        ...NO_PLACE,
        type: 'kubernetes.watch-gap',
        subject: collection,
        time: this.#context.clock.now(),
        synthetic: true,
        namespace: '',
        attributes: { kind: collection, reason, message: `what happened to ${collection} meanwhile may be missing` },
      },
    ]);
  }

  async #draft({ type, id, at, about, pod, attributes }: Fact): Promise<Unnumbered> {
    const { chain, change } = await this.#origin(about, pod);
    const shared = { kind: about.kind, name: about.name, uid: about.uid, owner: chain.at(-1), owners: chain.join(' ') };
    const ofAgents = change ? { depth: change.depth, changed_by: change.by } : {};
    const ofPod = pod ? { labels: pod.labels, node_name: pod.nodeName, phase: pod.phase } : {};
    return {
      ...NO_PLACE,
      type: `kubernetes.${type}`,
      subject: about.namespace === '' ? about.name : `${about.namespace}/${about.name}`,
      time: at,
      synthetic: false,
      namespace: about.namespace,
      fact: `${type}.${id}`,
      attributes: bounded({ ...shared, ...ofPod, ...ofAgents, ...attributes }),
    };
  }

  /** What nobody made is its own owner, so that `group: by [owner]` always has one. */
  async #origin(about: Identity, pod: PodView | null): Promise<{ chain: string[]; change: Change | null }> {
    const first = pod ? pod.owner : { ...about, apiVersion: '' };
    const owners = await this.#owners.chain(about.namespace, first);
    const names = owners.map(({ kind, name }) => `${kind}/${name}`);
    const top = owners.at(-1);
    const marks = [pod?.marks, top && (await this.#owners.marks(about.namespace, top))];
    const change = changeOf(
      marks.filter((each) => each !== undefined && each !== null),
      this.#agents,
      this.#context.clock.now(),
    );
    if (pod) return { chain: names.length > 0 ? names : [`${about.kind}/${about.name}`], change };
    const [itself = '', ...makers] = names;
    return { chain: makers.length > 0 ? makers : [itself], change };
  }
}

const NO_PLACE = { interface: '', messageType: 0, eventType: 0 } as const;

function bounded(attributes: EventDraft['attributes']): EventDraft['attributes'] {
  const entries = Object.entries(attributes).map(([name, value]) => [
    name,
    typeof value === 'string' && value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT - 1)}…` : value,
  ]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== ''));
}
