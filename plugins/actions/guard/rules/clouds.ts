/** Clouds and what manages them: what deletes, opens, gives rights away or runs elsewhere. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, named } from '../shell/invocation.ts';
import { HOLE, NAME, SECRET, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { isSecretPath } from './paths.ts';

/** Of clouds: what deletes, opens or gives rights away, by pattern of the whole call. */
const CLOUDS: readonly (readonly [RegExp, string])[] = [
  [
    /\bs3 (rb\b.*--force|rm\b.*--recursive|sync\b.*--delete)|\bs3api (delete-|put-bucket-(policy|acl|versioning|lifecycle)|put-public-access)/,
    'deletes or opens stored data',
  ],
  [
    /\b(terminate-instances|delete-db-(instance|cluster)|delete-(stack|cluster|table|bucket|volume|snapshot|vpc|function|log-group|user|role|hosted-zone|repository|secret|key-pair|file-system|backup-vault|trail|distribution|queue|topic|nodegroup|service|load-balancer|security-group|alarms|rule|parameters?|launch-template|image|stream|db-snapshot)|deregister-|stop-instances|reboot-instances|modify-db-instance|release-address|batch-delete|purge-queue|force-delete|delete-resource|cancel-)/,
    'deletes or stops what runs there',
  ],
  [
    /\biam (create-access-key|attach-|put-|create-user|create-login-profile|add-user-to-group|update-assume|delete-|create-policy-version|deactivate-mfa|update-login)|add-iam-policy-binding|set-iam-policy|service-accounts keys create|role assignment create|ad (sp|app) (create|credential)/,
    'gives rights away',
  ],
  [
    /\b(cloudtrail (stop-logging|delete-trail|update-trail|put-event-selectors)|guardduty (delete-|update-detector)|config(service)? (delete-|stop-)|logging sinks (delete|update)|securityhub disable|macie2 disable)/,
    'turns off what is written down',
  ],
  [
    /\bkms (schedule-key-deletion|disable-key|delete-)|keyvault (key |secret )?(delete|purge)|kms keys versions destroy/,
    'makes stored data unreadable',
  ],
  [
    /authorize-security-group-ingress.*0\.0\.0\.0|firewall-rules create.*0\.0\.0\.0|nsg rule create.*(\*|0\.0\.0\.0)|open-port/,
    'opens machines to everybody',
  ],
  [
    /\broute53 (change-resource-record-sets|delete-)|dns record-sets (delete|transaction)|network dns .*delete/,
    'changes where names lead',
  ],
  [
    /\b(projects|instances|clusters|databases|disks|buckets|functions|services|secrets|snapshots|images|topics|subscriptions|datasets?|group|vm|aks|acr|storage account|sql (server|db)|webapp|vmss|network|keyvault|cosmosdb|redis|droplet|kubernetes cluster|database|volume|app|apps|domain|space) (delete|destroy|purge|rm|stop|deallocate|delete-)\b/,
    'deletes or stops what runs there',
  ],
  [
    /\b(ssm (start-session|send-command)|ec2-instance-connect|lambda invoke|compute ssh.*--command|vm run-command)/,
    'runs a command on another machine',
  ],
  [
    /\b(lambda (update-function-code|add-permission)|ec2 modify-instance-attribute|ec2 create-key-pair|organizations (leave|close|remove))/,
    'changes who may do what',
  ],
];

const CLOUD_SECRETS =
  /\b(sts (get-session-token|assume-role)|secretsmanager get-secret-value|ssm get-parameters?\b.*with-decryption|auth print-(access|identity)-token|auth application-default print|account get-access-token|secrets versions access|keyvault secret show|ecr get-login-password|configure (get \S*(key|token|secret)|export-credentials)|kv get|print token|read -field)/;

const cloud: Handler = ({ name, args, scope }, host) => {
  const text = args.join(' ');
  if (/(^|\s)(--dry-?run|--dryrun|help|--help)(\s|$)/.test(text)) return NAME;
  const found = CLOUDS.find(([pattern]) => pattern.test(text));
  if (found) host.find('HIGH', 'cloud', `${found[1]}: ${name} ${shown(text)}`);
  else if (
    args.some((arg) => /^[/~.]/.test(arg) && isSecretPath(absolute(arg, scope))) &&
    /\b(cp|sync|mv|put-object|upload)\b/.test(text)
  )
    host.find('CRITICAL', 'exfiltrate', `sends keys, tokens or passwords with ${name}`);
  else if (args.some((arg) => arg.includes(SECRET)) && !/login|--password-stdin/.test(text))
    host.find('HIGH', 'exfiltrate', `sends secrets with ${name}`);
  if (CLOUD_SECRETS.test(text)) return SECRET;
  return HOLE;
};

const storage: Handler = ({ name, args, scope }, host) => {
  const text = args.join(' ');
  if (/\b(cp|copy|sync|mv|put|mirror|copyto)\b/.test(text) && args.some((arg) => isSecretPath(absolute(arg, scope))))
    host.find('CRITICAL', 'exfiltrate', `sends keys, tokens or passwords with ${name}`);
  if (
    /\b(rm|rb|del|delete|purge)\b.*(-r|-R|--recursive|-a\b|\*\*)|\b(rm|rb|purge|deletefile|delete|cleanup|sync)\b/.test(
      text,
    ) &&
    !/^(ls|cp|cat|help)/.test(text.replace(/^-\w+ /, '')) &&
    !/--dry-run/.test(text)
  ) {
    if (!/\bsync\b/.test(text) || name === 'rclone')
      host.find('HIGH', 'cloud', `deletes stored data: ${name} ${shown(text)}`);
  }
  if (/\b(acl|iam) (ch|set)\b.*(allUsers|AllUsers|public)/.test(text))
    host.find('HIGH', 'cloud', `opens stored data to everybody: ${name} ${shown(text)}`);
  return HOLE;
};

const terraform: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  const verb = args.find((arg) => !arg.startsWith('-')) ?? '';
  if (/^(plan|show|output|validate|graph|providers|fmt|version|preview)$/.test(verb)) return NAME;
  if (verb === 'destroy' || /(^|\s)-{1,2}destroy(\s|$)/.test(text) || /^(down|nuke)$/.test(verb))
    host.find('HIGH', 'cloud', `deletes all that is managed: ${name} ${shown(text)}`);
  else if (
    /-auto-approve|--yes|(^|\s)-y(\s|$)|--auto-approve|--skip-preview/.test(text) &&
    /^(apply|up|deploy|run-all)$/.test(verb)
  )
    host.find('HIGH', 'cloud', `changes all that is managed without a look: ${name} ${shown(text)}`);
  else if (
    /^(state|workspace|taint|untaint|force-unlock)$/.test(verb) &&
    /\b(rm|mv|delete|push|replace-provider|taint|force-unlock)\b/.test(text)
  )
    host.find('HIGH', 'cloud', `changes what is known of all that is managed: ${name} ${shown(text)}`);
  else if (verb === 'apply' && !/\s(\S+\.tfplan|tfplan|plan\.out|\S*plan\S*)$/.test(` ${text}`))
    host.find('MEDIUM', 'cloud', `changes what is managed: ${name} ${shown(text)}`);
  return NAME;
};

const ansible: Handler = (from, host) => {
  const args = parseOptions(from.args, {
    valued: [
      'i',
      'm',
      'a',
      'e',
      'u',
      'l',
      'f',
      'module-name',
      'args',
      'inventory',
      'extra-vars',
      'limit',
      'become-user',
      'tags',
      't',
    ],
  });
  const module = args.value('m', 'module-name') ?? 'command';
  const text = args.value('a', 'args');
  if (from.name === 'ansible' && text !== undefined && /^(ansible\.builtin\.)?(command|shell|raw|script)$/.test(module))
    host.runText(text, from, { how: { elsewhere: 'other machines', privileged: args.has('b', 'become') } });
  if (
    from.name === 'ansible' &&
    /state=absent|^(reboot|user|file)$/.test(module) &&
    /state=absent|path=\//.test(text ?? '')
  )
    host.find('HIGH', 'cloud', `deletes on other machines: ansible ${shown(from.args.join(' '))}`);
  return NAME;
};

const vault: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (
    /^(kv (delete|destroy|metadata delete)|delete|operator (seal|init|rekey|step-down)|token revoke|secrets disable|auth disable|policy (write|delete)|lease revoke)/.test(
      text,
    )
  )
    host.find('HIGH', 'cloud', `changes the store of secrets: ${name} ${shown(text)}`);
  return /^(kv get|read|print token|token create|login)/.test(text) ? SECRET : NAME;
};

export const clouds: Handlers = {
  vault,
  ...named('aws gcloud az doctl bq eksctl linode-cli hcloud oci ibmcloud flyctl fly heroku scw vultr-cli', cloud),
  ...named('gsutil mc s3cmd s5cmd azcopy b2 restic borg', storage),
  ...named('terraform tofu terragrunt pulumi cdk cdktf', terraform),
  ...named('ansible ansible-playbook', ansible),
};
