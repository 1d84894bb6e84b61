/** The A2A library, and the only place that knows it: loaded with the first call. Both versions come out the same. */
import {
  type Artifact,
  type Message,
  type Part,
  Role,
  type StreamResponse,
  type Task,
  type TaskArtifactUpdateEvent,
  TaskState,
  type TaskStatus,
  type TaskStatusUpdateEvent,
} from '@a2a-js/sdk';
import {
  type Client,
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk/client';

import { oneLine } from '#core';

import type { Offer } from './card.ts';
import { AgentFailure, failureIn } from './failure.ts';
import type { Question } from './message.ts';
import { type ArtifactPart, bounded, type State, type Status, type Update } from './task.ts';

export interface Call {
  readonly signal: AbortSignal;
  readonly traceparent: string | undefined;
}

/** An agent under one of its offers. Everything rejects with an AgentFailure, or with the signal's reason. */
export interface Agent {
  readonly streaming: boolean;
  /** Sends the message; then what the agent tells, until it stops telling. Not streaming: its first word alone. */
  send(question: Question, contextId: string, call: Call): AsyncGenerator<Update, void, undefined>;
  /** Goes on hearing of a task; only when streaming. */
  resubscribe(taskId: string, call: Call): AsyncGenerator<Update, void, undefined>;
  get(taskId: string, call: Call): Promise<Update & { kind: 'task' }>;
  cancel(taskId: string, call: Call): Promise<void>;
}

/** The agent does not speak this version: nothing has happened. */
export class OtherVersion extends AgentFailure {}

/** The task is not known to the agent, or no more. */
export class NoSuchTask extends AgentFailure {}

const LONGEST_REASON = 300;

export async function createAgent(offer: Offer, fetchImpl: typeof globalThis.fetch): Promise<Agent> {
  const { url, binding, version, tenant, streaming } = offer;
  const options = { fetchImpl, legacyCompat: { enabled: true } };
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory(options), new RestTransportFactory(options)],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
  });
  const client = await factory.createFromAgentCard({
    name: 'agent',
    description: '',
    version: '',
    supportedInterfaces: [{ url, protocolBinding: binding, protocolVersion: version, tenant }],
    capabilities: { streaming, extensions: [] },
    provider: undefined,
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: [],
    defaultOutputModes: [],
    skills: [],
    signatures: [],
  });
  return agentOf(client, tenant, streaming);
}

function agentOf(client: Client, tenant: string, streaming: boolean): Agent {
  return {
    streaming,
    async *send(question, contextId, call) {
      const configuration = { acceptedOutputModes: ['text/plain'], taskPushNotificationConfig: undefined };
      const request = { tenant, message: messageOf(question, contextId), metadata: undefined };
      if (streaming) {
        const stream = client.sendMessageStream(
          { ...request, configuration: { ...configuration, returnImmediately: false } },
          optionsOf(call),
        );
        yield* updates(stream, call);
        return;
      }
      // Told at once which task it is, we can find it again after a crash.
      const sending = client.sendMessage(
        { ...request, configuration: { ...configuration, returnImmediately: true } },
        optionsOf(call),
      );
      const answer = await sending.catch((error: unknown) => fail(error, call.signal));
      yield 'messageId' in answer ? messageUpdate(answer) : taskUpdate(answer);
    },
    async *resubscribe(id, call) {
      yield* updates(client.resubscribeTask({ tenant, id }, optionsOf(call)), call);
    },
    async get(id, call) {
      const asking = client.getTask({ tenant, id, historyLength: 1 }, optionsOf(call));
      return taskUpdate(await asking.catch((error: unknown) => fail(error, call.signal)));
    },
    async cancel(id, call) {
      await client
        .cancelTask({ tenant, id, metadata: undefined }, optionsOf(call))
        .catch((error: unknown) => fail(error, call.signal));
    },
  };
}

function optionsOf({ signal, traceparent }: Call) {
  return { signal, ...(traceparent === undefined ? {} : { serviceParameters: { traceparent } }) };
}

function messageOf({ id, text, data }: Question, contextId: string): Message {
  const plain = { metadata: undefined, filename: '' };
  return {
    messageId: id,
    contextId,
    taskId: '',
    role: Role.ROLE_USER,
    parts: [
      { ...plain, content: { $case: 'text', value: text }, mediaType: 'text/plain' },
      { ...plain, content: { $case: 'data', value: data }, mediaType: 'application/json' },
    ],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

async function* updates(stream: AsyncIterable<StreamResponse>, { signal }: Call): AsyncGenerator<Update> {
  try {
    for await (const { payload } of stream) {
      if (!payload) throw new AgentFailure('rejected', 'agent streamed something that is no event of A2A');
      switch (payload.$case) {
        case 'message':
          yield messageUpdate(payload.value);
          break;
        case 'task':
          yield taskUpdate(payload.value);
          break;
        case 'statusUpdate':
          yield statusUpdate(payload.value);
          break;
        case 'artifactUpdate':
          yield artifactUpdate(payload.value);
          break;
      }
    }
  } catch (error) {
    fail(error, signal);
  }
}

function messageUpdate({ parts }: Message): Update {
  return { kind: 'message', text: textOf(parts) };
}

function taskUpdate({ id, contextId, status, artifacts, history }: Task): Update & { kind: 'task' } {
  if (!id) throw new AgentFailure('rejected', 'agent answered with a task that has no id');
  const last = history?.findLast(({ role }) => role === Role.ROLE_AGENT);
  return {
    kind: 'task',
    taskId: id,
    contextId,
    status: statusOf(status, last),
    artifacts: (artifacts ?? []).map((artifact) => artifactPart(artifact, false)),
  };
}

function statusUpdate({ taskId, contextId, status }: TaskStatusUpdateEvent): Update {
  return { kind: 'status', taskId, contextId, status: statusOf(status, undefined) };
}

function artifactUpdate({ taskId, contextId, artifact, append }: TaskArtifactUpdateEvent): Update {
  if (!artifact) throw new AgentFailure('rejected', 'agent streamed an artifact update without an artifact');
  return { kind: 'artifact', taskId, contextId, artifact: artifactPart(artifact, append) };
}

function artifactPart({ artifactId, parts }: Artifact, append: boolean): ArtifactPart {
  // Parts of an artifact are what a stream told piece by piece.
  return { id: artifactId, text: textOf(parts, ''), append };
}

/** 0.3's `unknown` comes as the first; a state that the protocol does not have is missing. */
const STATES: ReadonlyMap<TaskState, State> = new Map([
  [TaskState.TASK_STATE_UNSPECIFIED, 'unknown'],
  [TaskState.TASK_STATE_SUBMITTED, 'submitted'],
  [TaskState.TASK_STATE_WORKING, 'working'],
  [TaskState.TASK_STATE_COMPLETED, 'completed'],
  [TaskState.TASK_STATE_FAILED, 'failed'],
  [TaskState.TASK_STATE_CANCELED, 'canceled'],
  [TaskState.TASK_STATE_INPUT_REQUIRED, 'input-required'],
  [TaskState.TASK_STATE_REJECTED, 'rejected'],
  [TaskState.TASK_STATE_AUTH_REQUIRED, 'auth-required'],
]);

function statusOf(status: TaskStatus | undefined, last: Message | undefined): Status {
  if (!status) throw new AgentFailure('rejected', 'agent answered with a task that has no status');
  const state = STATES.get(status.state);
  if (state === undefined)
    throw new AgentFailure('rejected', 'agent answered with a task in a state that A2A does not have');
  return { state, said: textOf(status.message?.parts) || textOf(last?.parts) };
}

function textOf(parts: readonly Part[] | undefined, between = '\n'): string {
  const texts = (parts ?? []).map(({ content }) => (content?.$case === 'text' ? content.value : ''));
  return bounded(texts.filter((text) => text !== '').join(between));
}

/** Of JSON-RPC: what a server says that does not know the method or the form of the request. */
const NOT_UNDERSTOOD = new Set([-32_600, -32_601, -32_009]);
const INTERNAL_ERROR = -32_603;

/** What the library threw, as a failure. */
function fail(error: unknown, signal: AbortSignal): never {
  signal.throwIfAborted();
  const known = failureIn(error);
  if (known) throw known;
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { name, message, envelopeCode }: { name?: unknown; message?: unknown; envelopeCode?: unknown } =
    inner instanceof Error ? inner : {};
  const said = oneLine(String(message ?? inner), LONGEST_REASON);
  if (name === 'VersionNotSupportedError' || (typeof envelopeCode === 'number' && NOT_UNDERSTOOD.has(envelopeCode)))
    throw new OtherVersion('rejected', `agent does not understand the request: ${said}`);
  if (name === 'TaskNotFoundError') throw new NoSuchTask('rejected', `agent does not know the task: ${said}`);
  if (typeof envelopeCode === 'number')
    throw new AgentFailure(
      envelopeCode === INTERNAL_ERROR ? 'retry' : 'rejected',
      `agent answered error ${envelopeCode}: ${said}`,
    );
  throw new AgentFailure('rejected', `agent's answer makes no sense: ${said}`);
}
