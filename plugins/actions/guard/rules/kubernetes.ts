/** Kubernetes: what the whole cluster shares, what is gone when it is deleted, who may do what. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, type Host, type Invocation, named } from '../shell/invocation.ts';
import { DOWNLOAD, HOLE, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { contentOf } from './files.ts';

const KUBECTL =
  'n f l o c k s v p namespace filename selector output container context kubeconfig cluster user as as-group server token field-selector grace-period timeout replicas image overrides type patch template from-literal from-file clusterrole role serviceaccount verb resource port restart env labels kustomize'.split(
    ' ',
  );
/** Kinds whose deletion takes much with it, or that belong to the whole cluster. */
const GREAT =
  /^(ns|namespaces?|projects?|nodes?|no|pv|pvc|persistentvolumes?|persistentvolumeclaims?|crd|crds|customresourcedefinitions?(\..*)?|clusterroles?|clusterrolebindings?|storageclass(es)?|sc|apiservices?|validatingwebhookconfigurations?|mutatingwebhookconfigurations?|all|statefulsets?|sts|secrets?|priorityclass(es)?|volumesnapshots?)(\/|$)/i;
const PRODUCTION = /(^|[-_/.=\s])(prod|production|prd|live|kube-system|default)([-_/.\s]|$)/i;

const kubectl: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: KUBECTL });
  const [verb = '', ...operands] = args.operands;
  const text = shown(from.args.join(' '));
  if (args.values.get('dry-run') !== undefined || args.has('dry-run') || args.has('help', 'h')) return NAME;
  for (const file of args.all.filter(([name]) => name === 'f' || name === 'filename').map(([, value]) => value)) {
    if (/^https?:/.test(file) && /^(apply|create|replace|delete)$/.test(verb))
      host.find('HIGH', 'kubernetes', `${verb} of what an address says: kubectl ${text}`);
    else if (file === '-' && from.stdin.includes(DOWNLOAD))
      host.find('HIGH', 'kubernetes', `${verb} of what comes over the network: kubectl ${text}`);
    else if (/^(apply|create|replace)$/.test(verb))
      manifest(file === '-' ? from.stdin : contentOf(absolute(file, from.scope), from.scope), host);
  }
  return (VERBS[verb] ?? unknownVerb)({ from, host, args, operands, text });
};

interface Kubectl {
  readonly from: Invocation;
  readonly host: Host;
  readonly args: ReturnType<typeof parseOptions>;
  readonly operands: readonly string[];
  readonly text: string;
}

function manifest(content: string, host: Host): void {
  if (
    /privileged:\s*true|hostPID:\s*true|hostPath:\s*\n?\s*\{?\s*path:\s*["']?\/\s|"privileged":\s*true|"hostPID":\s*true/.test(
      content,
    )
  )
    host.find('HIGH', 'leave-container', 'starts a pod with the rights of its node');
  if (/kind:\s*ClusterRoleBinding/.test(content) && /cluster-admin/.test(content))
    host.find('HIGH', 'kubernetes', 'gives all rights of the cluster to somebody');
}

const unknownVerb = ({ operands }: Kubectl): string => (operands.length === 0 ? NAME : HOLE);

function told(what: string): (call: Kubectl) => string {
  return ({ host, text }) => {
    host.find('HIGH', 'kubernetes', `${what}: kubectl ${text}`);
    return NAME;
  };
}

const VERBS: Readonly<Record<string, (call: Kubectl) => string>> = {
  get: ({ operands, args }) => {
    const output = args.value('o', 'output') ?? '';
    const secret = operands.some((operand) => /(^|,)secrets?([./,]|$)/i.test(operand));
    return secret && output !== '' && !/^(name|wide)$/.test(output)
      ? SECRET
      : output === 'name'
        ? `${operands[0] ?? ''}/${NAME}`
        : /^(yaml|json)/.test(output)
          ? HOLE
          : NAME;
  },
  delete: ({ from, host, args, operands, text }) => {
    const kinds = (operands[0] ?? '').split(',');
    const all =
      args.has('all', 'A', 'all-namespaces') || (args.has('l', 'selector') && args.value('l', 'selector') === '');
    const great =
      kinds.some((kind) => GREAT.test(kind)) ||
      operands.some((operand) => operand.includes('/') && GREAT.test(operand));
    const opaque = operands.join('').replaceAll(HOLE, '') === '' && args.value('f', 'filename', 'k') === undefined;
    const everything = all && (great || args.has('A', 'all-namespaces'));
    if (great || all)
      host.find(everything ? 'CRITICAL' : 'HIGH', 'kubernetes', `deletes much at once: kubectl ${text}`);
    else if (args.has('force') || args.value('grace-period') === '0')
      host.find('MEDIUM', 'kubernetes', `deletes without waiting: kubectl ${text}`);
    else if (opaque) host.find('HIGH', 'kubernetes', `deletes what cannot be seen here: kubectl ${text}`);
    else if (/kube-system/.test(args.value('n', 'namespace') ?? ''))
      host.find('HIGH', 'kubernetes', `deletes a part of the cluster itself: kubectl ${text}`);
    else if (
      PRODUCTION.test(` ${args.value('n', 'namespace') ?? ''} ${args.value('context') ?? ''} `) &&
      !/^(po|pods?)(\/|$)/.test(operands[0] ?? '')
    )
      host.find('MEDIUM', 'kubernetes', `deletes from production: kubectl ${text}`);
    if (args.value('f', 'filename') === '-' && from.stdin.includes(HOLE) && operands.length === 0)
      host.find('HIGH', 'kubernetes', `deletes what cannot be seen here: kubectl ${text}`);
    return NAME;
  },
  drain: told('takes everything off a node'),
  cordon: told('takes a node out of use'),
  taint: told('takes a node out of use'),
  replace: ({ args, host, text }) => {
    if (args.has('force')) host.find('HIGH', 'kubernetes', `deletes and makes anew: kubectl ${text}`);
    return NAME;
  },
  apply: ({ args, host, text }) => {
    if (args.has('prune', 'force')) host.find('HIGH', 'kubernetes', `deletes what is not named: kubectl ${text}`);
    return NAME;
  },
  scale: ({ args, host, text }) => {
    if (args.value('replicas') === '0') host.find('HIGH', 'kubernetes', `stops all of it: kubectl ${text}`);
    return NAME;
  },
  create: ({ args, operands, host, text }) => {
    const [kind = ''] = operands;
    if (
      /^(clusterrolebinding|rolebinding)$/.test(kind) &&
      /cluster-admin|admin|\*/.test(`${args.value('clusterrole') ?? ''}${args.value('role') ?? ''}`)
    )
      host.find('HIGH', 'kubernetes', `gives rights away: kubectl ${text}`);
    else if (/^(clusterrole|role)$/.test(kind) && /\*/.test(args.value('verb') ?? ''))
      host.find('HIGH', 'kubernetes', `makes a role that may do all: kubectl ${text}`);
    else if (/^clusterrolebinding$/.test(kind)) host.find('MEDIUM', 'kubernetes', `gives rights away: kubectl ${text}`);
    return kind === 'token' ? SECRET : NAME;
  },
  patch: ({ operands, args, host, text }) => {
    const patch = args.value('p', 'patch') ?? '';
    if (/role|binding|webhookconfiguration/i.test(operands[0] ?? ''))
      host.find('HIGH', 'kubernetes', `changes who may do what: kubectl ${text}`);
    if (/"?finalizers"?\s*:\s*(null|\[\s*\])/.test(patch))
      host.find('HIGH', 'kubernetes', `skips what is to be done before a deletion: kubectl ${text}`);
    manifest(patch, host);
    if (/reclaimPolicy|"replicas"\s*:\s*0/i.test(patch))
      host.find('HIGH', 'kubernetes', `changes what is kept: kubectl ${text}`);
    return NAME;
  },
  run: ({ from, args, host, text }) => {
    if (
      args.has('privileged') ||
      /hostPID|privileged|hostPath|hostNetwork|nodeName/.test(args.value('overrides') ?? '')
    )
      host.find('HIGH', 'leave-container', `starts a pod with the rights of its node: kubectl ${text}`);
    return inside(from, host, 'a pod');
  },
  exec: ({ from, host }) => inside(from, host, 'a pod'),
  debug: ({ from, operands, args, host, text }) => {
    if (operands.some((operand) => /^nodes?\//.test(operand)) || /sysadmin/.test(args.value('profile') ?? ''))
      host.find('HIGH', 'leave-container', `opens a shell on a node: kubectl ${text}`);
    return inside(from, host, 'a pod');
  },
  cp: ({ operands }) => (operands.length > 0 ? NAME : HOLE),
  config: ({ operands, args }) => (operands[0] === 'view' && args.has('raw') ? SECRET : NAME),
  proxy: ({ args, host, text }) => {
    if (/0\.0\.0\.0|\.\*/.test(`${args.value('address') ?? ''}${args.value('accept-hosts') ?? ''}`))
      host.find('HIGH', 'tunnel', `opens the API server to the network: kubectl ${text}`);
    return NAME;
  },
  certificate: told('decides who may enter the cluster'),
  rollout: ({ operands, host, text }) => {
    if (operands[0] === 'undo' && PRODUCTION.test(` ${text} `))
      host.find('MEDIUM', 'kubernetes', `changes production: kubectl ${text}`);
    return NAME;
  },
};

/** What follows `--` runs over there. */
function inside(from: Invocation, host: Host, where: string): string {
  const at = from.args.indexOf('--');
  return at < 0 ? HOLE : host.run(from.args.slice(at + 1), from, { elsewhere: where });
}

const helm: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: ['n', 'f', 'namespace', 'values', 'set', 'version', 'kube-context', 'timeout', 'repo', 'post-renderer'],
  });
  const [verb = ''] = args.operands;
  const text = shown(from.args.join(' '));
  if (args.has('dry-run')) return NAME;
  if (/^(uninstall|delete|del|un)$/.test(verb))
    host.find('HIGH', 'kubernetes', `removes all of a release: helm ${text}`);
  else if (verb === 'rollback' || args.has('force'))
    host.find('MEDIUM', 'kubernetes', `changes what runs: helm ${text}`);
  else if (
    /^(install|upgrade)$/.test(verb) &&
    args.operands.some((operand) => /^(https?|oci):/.test(operand)) &&
    /https?:/.test(text)
  )
    host.find('MEDIUM', 'kubernetes', `installs what an address says: helm ${text}`);
  const renderer = args.value('post-renderer');
  if (renderer !== undefined) host.run([renderer], from);
  return HOLE;
};

const etcdctl: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (/(^|\s)(del|defrag|compaction|member remove|snapshot restore|auth disable|put)(\s|$)/.test(text))
    host.find(
      /\bdel\b.*(--prefix|--from-key)/.test(text) ? 'CRITICAL' : 'HIGH',
      'kubernetes',
      `changes the store of the cluster: ${name} ${shown(text)}`,
    );
  return /\bget\b.*(secrets|--prefix)(?!.*--keys-only)/.test(text) ? SECRET : HOLE;
};

export const kubernetes: Handlers = {
  helm,
  ...named('kubectl oc k kubecolor microk8s.kubectl', kubectl),
  ...named('k3s microk8s', (from, host) =>
    from.args[0] === 'kubectl' ? kubectl({ ...from, args: from.args.slice(1) }, host) : NAME,
  ),
  ...named('etcdctl etcdutl', etcdctl),
  ...named('kubeadm kops kind minikube k3d', (from, host) => {
    const { name, args } = from;
    const inner = args.indexOf('kubectl');
    if (name === 'minikube' && inner === 0)
      return kubectl({ ...from, args: args.slice(args[1] === '--' ? 2 : 1) }, host);
    if (/^(reset|delete|stop|clean)/.test(args.join(' ')) && !/^(kind|minikube|k3d)$/.test(name))
      host.find('HIGH', 'kubernetes', `takes the cluster down: ${name} ${shown(args.join(' '))}`);
    else if (/^delete.*(--all|--purge)/.test(args.join(' ')))
      host.find('MEDIUM', 'kubernetes', `deletes clusters: ${name} ${shown(args.join(' '))}`);
    return NAME;
  }),
};
