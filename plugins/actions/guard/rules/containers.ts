/** Containers: what leads out of one, and data that goes with one. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { isSecretPath } from './paths.ts';

const DOCKER_RUN =
  'v e p w u h l m a c volume mount env publish workdir user name network net entrypoint label memory cpus hostname add-host cap-add cap-drop security-opt device pid ipc userns uts restart platform env-file ulimit tmpfs log-driver log-opt gpus runtime shm-size pull cidfile dns'.split(
    ' ',
  );

const docker: Handler = (from, host) => {
  const top = parseOptions(from.args, {
    valued: ['H', 'host', 'c', 'context', 'l', 'log-level', 'config'],
    untilOperand: true,
  });
  const [first = '', second = ''] = top.operands;
  const grouped =
    /^(container|image|volume|network|system|builder|buildx|compose|context|swarm|service|stack|node|secret)$/.test(
      first,
    );
  const verb = grouped ? second : first;
  const rest = top.operands.slice(grouped ? 2 : 1);
  const text = shown(from.args.join(' '));
  if (from.args.some((arg) => arg.includes(SECRET)) && /^(login|build|run|push|tag)$/.test(verb))
    host.find('MEDIUM', 'credential', `puts secrets on the command line: docker ${verb}`);
  if (/^(run|create|pull)$/.test(verb) && rest.some((arg) => arg.includes(DOWNLOAD)))
    host.find('HIGH', 'download-run', `runs an image that comes over the network: docker ${text}`);
  if (/^(run|create|exec)$/.test(verb) && first !== 'compose') return dockerRun(verb, rest, from, host, text);
  if (verb === 'prune') {
    const args = parseOptions(rest, { valued: ['filter'] });
    if (args.has('volumes') || first === 'volume')
      host.find('HIGH', 'containers', `deletes data of containers: docker ${text}`);
    else if (args.has('a', 'all') && first === 'system')
      host.find('MEDIUM', 'containers', `deletes all that is not running: docker ${text}`);
  } else if (/^(rm|kill|stop|rmi|remove)$/.test(verb)) {
    const args = parseOptions(rest, { valued: ['t', 's', 'time', 'signal'] });
    const all = args.operands.some((operand) => operand.includes(HOLE));
    if (all) host.find('HIGH', 'containers', `${verb} of all containers that a list gives: docker ${text}`);
    else if (first === 'volume' || (args.has('v') && args.has('f')))
      host.find('MEDIUM', 'containers', `deletes data of containers: docker ${text}`);
  } else if (first === 'compose' && verb === 'down' && /(^|\s)(-v|--volumes)(\s|$)/.test(rest.join(' ')))
    host.find('MEDIUM', 'containers', `deletes data of containers: docker ${text}`);
  else if (first === 'swarm' && verb === 'leave') host.find('HIGH', 'containers', `leaves the swarm: docker ${text}`);
  else if (first === 'stack' && /^(rm|remove|down)$/.test(verb))
    host.find('HIGH', 'containers', `removes all of a stack: docker ${text}`);
  else if (first === 'compose' && (verb === 'exec' || verb === 'run')) return composeRun(rest, from, host);
  else if (first === 'load' && from.stdin.includes(DOWNLOAD))
    host.find('MEDIUM', 'containers', `loads an image from the network: docker ${text}`);
  return /^(ps|images|ls)$/.test(verb) && /-[a-z]*q/.test(rest.join(' ')) ? HOLE : NAME;
};

function composeRun(rest: readonly string[], from: Invocation, host: Host): string {
  const args = parseOptions(rest, {
    valued: ['u', 'e', 'w', 'user', 'env', 'workdir', 'index', 'entrypoint', 'v', 'p', 'name'],
    untilOperand: true,
  });
  return args.operands.length < 2 ? HOLE : host.run(args.operands.slice(1), from, { elsewhere: 'a container' });
}

function dockerRun(verb: string, rest: readonly string[], from: Invocation, host: Host, text: string): string {
  const args = parseOptions(rest, {
    valued: verb === 'exec' ? ['e', 'u', 'w', 'env', 'user', 'workdir', 'env-file', 'detach-keys'] : DOCKER_RUN,
    untilOperand: true,
  });
  const escape = verb === 'exec' ? (args.has('privileged') ? 'with all rights' : null) : escapeOf(args);
  const [, inner = ''] = args.operands;
  const destroys =
    escape !== null && /folders|rights|disk/.test(escape) && /^(rm|find|shred|dd|mkfs\S*|chroot|nsenter)$/.test(inner);
  if (escape !== null)
    host.find(destroys ? 'CRITICAL' : 'HIGH', 'leave-container', `starts a container ${escape}: docker ${text}`);
  const [, ...command] = args.operands;
  const entry = args.value('entrypoint');
  const all = entry === undefined ? command : [entry, ...command];
  const mounted = args.all
    .filter(([name]) => name === 'v' || name === 'volume' || name === 'mount')
    .map(([, value]) => value);
  const own = mounted.some((value) => /^\/(:|$)|^~?\/?(home|root|etc|var|usr)?:|source=\/(,|$)/.test(value));
  const secrets = mounted.map((value) => value.replace(/^.*?(?:source|src)=/, '').split(/[:,]/, 1)[0] ?? '');
  if (secrets.some((path) => isSecretPath(absolute(path, from.scope))))
    host.find('HIGH', 'leave-container', `gives keys of this machine to a container: docker ${text}`);
  if (all.length === 0) return HOLE;
  if (own && /^(rm|sh|bash|ash|chroot|find|dd|cat|tar)$/.test(all[0] ?? '') && escape === null)
    host.find('HIGH', 'leave-container', `runs a command on files of this machine: docker ${text}`);
  return host.run(all, from, { elsewhere: 'a container' });
}

function escapeOf(args: ReturnType<typeof parseOptions>): string | null {
  const values = args.all.map(([name, value]) => `${name}=${value}`);
  if (args.has('privileged')) return 'with all rights of this machine';
  if (values.some((value) => /^(pid|ipc|userns|uts|network|net)=host$/.test(value) && !/^(network|net)=/.test(value)))
    return 'in the namespaces of this machine';
  if (values.some((value) => /^(v|volume|mount)=.*docker\.sock|containerd\.sock|crio\.sock/.test(value)))
    return 'that may start any other';
  if (
    values.some(
      (value) =>
        /^(v|volume)=\/(:|etc|root|home|var|proc|sys|dev|boot|usr|lib)?(\/(?!home\/[^:]+\/)[^:]*)?:/.test(value) &&
        /^(v|volume)=\/(:|etc|root|proc|sys|dev|boot|usr|lib|var\/(?!tmp|www)|home:|home\/:)/.test(value),
    ) ||
    values.some((value) => /^mount=.*(source|src)=\/(,|$|etc|proc|sys|dev|root|var)/.test(value))
  )
    return 'with folders of this system in it';
  if (
    values.some((value) =>
      /^cap-add=(ALL|SYS_ADMIN|SYS_PTRACE|SYS_MODULE|DAC_READ_SEARCH|SYS_RAWIO|NET_ADMIN|BPF)$/i.test(value),
    )
  )
    return 'with rights over this machine';
  if (values.some((value) => /^security-opt=(seccomp|apparmor)[=:]unconfined|label[=:]disable/.test(value)))
    return 'without its fence';
  if (values.some((value) => /^device=\/dev\/(sd|nvme|mem|vd|kmsg|xvd)/.test(value)))
    return 'with a disk of this machine';
  return null;
}

export const containers: Handlers = {
  ...named('docker podman nerdctl', docker),
  ...named('docker-compose podman-compose', (from, host) => docker({ ...from, args: ['compose', ...from.args] }, host)),
  ...named('ctr crictl', ({ name, args }, host) => {
    if (/\b(rm|rmi|rmp|delete|stop|stopp|remove)\b/.test(args.join(' ')))
      host.find('HIGH', 'containers', `takes containers from under the node: ${name} ${shown(args.join(' '))}`);
    return HOLE;
  }),
};
