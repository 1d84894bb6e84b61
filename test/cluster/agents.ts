/** Agents' pods that ask their node: with a projected token at its address, and at its socket. */
import { eventually } from '../kit/eventually.ts';
import { NAMESPACE } from './install.ts';
import { apply, get, kubectl } from './kubectl.ts';

/** Runs `trotline-hook` until the node has hooks, and says what it answered. */
const PROGRAM = `
const { spawnSync } = require('node:child_process');
const ask = (command) => spawnSync('/usr/local/bin/trotline-hook', ['--on-failure', 'closed'], {
  input: JSON.stringify({ hook_event_name: 'PreToolUse', session_id: process.env.HOSTNAME, tool_name: 'Bash', tool_input: { command }, tool_use_id: command }),
  encoding: 'utf8',
});
const until = Date.now() + 60000;
const tried = setInterval(() => {
  const asked = ask('rm -rf /');
  if (asked.status !== 0 && Date.now() < until) return;
  clearInterval(tried);
  console.log(JSON.stringify([asked, ask('npm test')].map(({ status, stdout, stderr }) => ({ status, stdout, stderr }))));
  setInterval(() => undefined, 60000);
}, 500);`;

export const GUARD = {
  apiVersion: 'trotline.dev/v1alpha1',
  kind: 'EventHook',
  metadata: { name: 'guard', namespace: NAMESPACE },
  spec: { source: 'agent', eventTypes: ['PreToolUse'], actions: [{ type: 'guard' }] },
};

export function agentPods(image: string, namespace: string) {
  const pod = (name: string, container: object, volumes: readonly object[]) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532 },
      containers: [
        {
          name: 'agent',
          image,
          imagePullPolicy: 'Never',
          command: ['/usr/local/bin/node', '-e', PROGRAM],
          ...container,
        },
      ],
      volumes,
    },
  });
  return [
    pod(
      'coder',
      {
        env: [
          { name: 'NODE_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
          { name: 'TROTLINE_AGENT_ADDRESS', value: '$(NODE_IP):7412' },
          { name: 'TROTLINE_AGENT_TOKEN_FILE', value: '/var/run/secrets/trotline/token' },
        ],
        volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/trotline', readOnly: true }],
      },
      [{ name: 'token', projected: { sources: [{ serviceAccountToken: { audience: 'trotline', path: 'token' } }] } }],
    ),
    pod(
      'mounted',
      {
        env: [{ name: 'TROTLINE_AGENT_SOCKET', value: '/run/agents/agent.sock' }],
        volumeMounts: [{ name: 'socket', mountPath: '/run/agents' }],
      },
      [{ name: 'socket', hostPath: { path: '/run/trotline-agents', type: 'Directory' } }],
    ),
  ];
}

/** What is wrong with the answers to these pods, and with what the history says of who asked. */
export async function agentProblems(image: string, namespace: string, say: (line: string) => void): Promise<string[]> {
  apply([GUARD]);
  apply(agentPods(image, namespace));
  const problems: string[] = [];
  for (const name of ['coder', 'mounted']) {
    const answers = await eventually(() => answersOf(name, namespace), { timeoutMs: 90_000, intervalMs: 500 });
    const [denied, allowed] = answers;
    const isRight = denied?.stdout.includes('"permissionDecision":"deny"') === true && allowed?.stdout === '{}';
    if (!isRight) problems.push(`${name} was answered ${JSON.stringify(answers)}`);
    const who = await eventually(() => askerOf(name), { timeoutMs: 30_000, intervalMs: 500 }).catch(() => 'nobody');
    if (who !== `${namespace}/${name}`)
      problems.push(`the history says that ${who} asked, expected ${namespace}/${name}`);
    say(
      `${name.padEnd(14)} asked as ${who}: ${isRight ? 'denied and let go on, as it should be' : 'answered wrongly'}`,
    );
  }
  return problems;
}

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function answersOf(name: string, namespace: string): readonly Answer[] {
  const { status } = get('-n', namespace, 'pods', name) as { status: { phase: string } };
  if (status.phase !== 'Running') throw new Error(`${name} is ${status.phase}`);
  const [line = ''] = kubectl(['-n', namespace, 'logs', name]).split('\n');
  return JSON.parse(line) as Answer[];
}

/** By the events of its session, which is called as the pod is. */
function askerOf(session: string): string {
  const trotline = (...args: readonly string[]): unknown =>
    JSON.parse(
      kubectl([
        '-n',
        NAMESPACE,
        'exec',
        'deployment/trotline-control-plane',
        '--',
        '/usr/local/bin/trotline',
        ...args,
        '-o',
        'json',
      ]),
    );
  const [event] = trotline('events', 'list', '--session', session) as { id: string }[];
  if (!event) throw new Error('no event yet');
  const shown = trotline('events', 'show', event.id) as {
    event: { namespace: string; attributes: Record<string, string> };
  };
  return `${shown.event.namespace}/${shown.event.attributes['agent.pod'] ?? '?'}`;
}
