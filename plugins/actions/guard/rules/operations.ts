/**
 * What operations people fear, of programs that need no parsing of their own: by name, the arguments that do it, how bad it is.
 * The first that matches counts; who asks for help, or what would happen, is left alone.
 */
import type { Handler, Handlers } from '../shell/invocation.ts';
import { NAME, SECRET, shown } from '../shell/marks.ts';
import type { Operation } from './operation.ts';
import { ON_THE_MACHINE } from './operations-machine.ts';
import { PUBLISHING } from './operations-published.ts';
import { SHARED } from './operations-shared.ts';

/** Programs that print what must not leave. */
const TELLS: readonly (readonly [programs: string, args: RegExp])[] = [
  ['op', /^(read|item get|document get)/],
  ['security', /find-(generic|internet)-password|dump-keychain|export/],
  ['secret-tool keyring gopass pass lpass bw', /^(lookup|get|show|search)|^[a-z]+\/\S/],
  ['gpg gpg2', /--export-secret/],
  ['vault', /^(token (lookup|create)|read|kv get|print)/],
  ['doppler infisical chamber', /^(secrets|export|get|read|run --)/],
  ['sops age', /^-d|--decrypt|^decrypt/],
  [
    'aws',
    /secretsmanager get-secret-value|ssm get-parameter.*--with-decryption|sts (assume-role|get-session-token)|configure (get .*(key|token|secret)|export)|ecr get-login-password/,
  ],
  ['gcloud', /auth (application-default )?print-|secrets versions access/],
  ['az', /account get-access-token|keyvault secret show/],
  [
    'docker-credential-desktop docker-credential-pass docker-credential-osxkeychain docker-credential-secretservice git-credential-store',
    /get/,
  ],
  [
    'kubectl oc',
    /^(create token|config view .*--raw|get secrets? .*-o[= ]?(json|yaml|go-template|custom|jsonpath)|whoami -t)/,
  ],
  ['heroku', /auth:token|config(:get)?(\s|$)/],
  ['npm', /^(token|config get .*_auth)/],
  ['terraform tofu', /^output .*(-raw|-json).*(secret|password|token|key)|^state pull/],
];

const ASKS =
  /(^|\s)(--help|-help|--version|--dry-?run(=\w+)?|--check|--what-?if|--noop|--simulate|--list-tasks|--syntax-check)(\s|$)|(^|\s)help(\s|$)|^-h$/;

function collect(operations: readonly Operation[]): ReadonlyMap<string, readonly Operation[]> {
  const byName = new Map<string, Operation[]>();
  for (const operation of operations)
    for (const name of operation[0].split(' ')) byName.set(name, [...(byName.get(name) ?? []), operation]);
  return byName;
}

function handlerOf(operations: readonly Operation[]): Handler {
  return ({ name, args }, host) => {
    const text = args.join(' ');
    if (ASKS.test(text)) return NAME;
    const found = operations.find(([, pattern]) => pattern.test(text));
    if (found) host.find(found[2], found[3], `${found[4]}: ${name} ${shown(text)}`);
    return undefined;
  };
}

const BY_NAME = collect([...ON_THE_MACHINE, ...SHARED, ...PUBLISHING]);

export const operations: Handlers = Object.fromEntries([...BY_NAME].map(([name, rules]) => [name, handlerOf(rules)]));

export const tells: Handlers = Object.fromEntries(
  [...new Set(TELLS.flatMap(([names]) => names.split(' ')))].map((name) => {
    const patterns = TELLS.filter(([names]) => names.split(' ').includes(name)).map(([, pattern]) => pattern);
    const handler: Handler = ({ args }) =>
      patterns.some((pattern) => pattern.test(args.join(' '))) ? SECRET : undefined;
    return [name, handler];
  }),
);
