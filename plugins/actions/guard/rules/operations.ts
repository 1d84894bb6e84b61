/**
 * What operations people fear, of programs that need no parsing of their own: by name, the arguments that do it, how bad it is.
 * The first that matches counts; who asks for help, or what would happen, is left alone.
 */
import type { Risk } from '#core';

import type { Handler, Handlers } from '../shell/invocation.ts';
import { NAME, SECRET, shown } from '../shell/marks.ts';

/** Programs, a pattern of their arguments, and what it is. */
type Operation = readonly [programs: string, args: RegExp, risk: Risk, rule: string, what: string];

const ANY = /./;

const STORAGE: readonly Operation[] = [
  ['gio', /^trash .*(~|\/home|\/root)|--empty/, 'HIGH', 'delete-outside', 'throws away files'],
  [
    'btrfs',
    /^(subvolume|sub) (delete|del)|^filesystem|^device (delete|remove)|^balance|check --repair/,
    'HIGH',
    'disk',
    'takes parts of a disk away',
  ],
  ['ceph', /delete|purge|destroy|\brm\b|really-really/, 'CRITICAL', 'disk', 'destroys stored data'],
  ['rbd rados', /^(rm|remove|trash|purge|snap (rm|purge)|rmpool)/, 'HIGH', 'disk', 'destroys stored data'],
  ['asr', /--erase|restore/, 'CRITICAL', 'disk', 'writes over a disk'],
  ['newfs_apfs newfs_hfs newfs_msdos', ANY, 'CRITICAL', 'disk', 'writes over a disk'],
  ['fsck e2fsck xfs_repair fsck.ext4 fsck_apfs', /(^|\s)-\w*[ypfL]/, 'HIGH', 'disk', 'writes on a disk to repair it'],
  ['debugfs', /(^|\s)-\w*w|\/dev\/|^[^-]/, 'HIGH', 'disk', 'reads and writes past the file system'],
  ['resize2fs lvresize growpart tune2fs', /\/dev\//, 'HIGH', 'disk', 'changes a disk'],
  ['fallocate', /-l\s*(\d{3,}G|\d+T|\d{12,})/i, 'HIGH', 'exhaust', 'fills a disk'],
  ['mknod', /\s[bc]\s/, 'HIGH', 'leave-container', 'makes a device'],
  ['mc', /^(rb|rm) .*(--force|-r|--recursive)/, 'HIGH', 'cloud', 'deletes stored data'],
];

const MACHINE: readonly Operation[] = [
  [
    'stress stress-ng sysbench fork-bomb',
    /--?(vm|cpu|io|hdd|fork|c|m)\b|run/,
    'MEDIUM',
    'exhaust',
    'uses up this machine',
  ],
  ['rtcwake', /-m (off|mem|disk|standby)/, 'CRITICAL', 'shutdown', 'stops this machine'],
  ['ipmitool', /power (off|cycle|reset|soft)|chassis bootdev|user set|sol/, 'CRITICAL', 'shutdown', 'stops a machine'],
  [
    'loginctl',
    /^(poweroff|reboot|halt|suspend|hibernate|kill|terminate)/,
    'HIGH',
    'shutdown',
    'ends sessions or this machine',
  ],
  [
    'dbus-send busctl gdbus qdbus',
    /PowerOff|Reboot|Halt|Suspend|Terminate|Manager\.(Stop|Start|Enable)|ActivateInstall/,
    'CRITICAL',
    'shutdown',
    'stops this machine',
  ],
  ['shutdown.exe', /\/[srhp]/, 'CRITICAL', 'shutdown', 'stops this machine'],
  ['bpftool', /^(prog (load|attach)|map (update|delete))/, 'HIGH', 'kernel', 'loads code into the kernel'],
  [
    'csrutil spctl nvram bless',
    /disable|--master-disable|=|-c|--setBoot|global-disable/,
    'HIGH',
    'security-off',
    'switches protection off',
  ],
  ['mokutil', /--(disable|import|delete|reset)/, 'HIGH', 'security-off', 'switches protection off'],
  ['fwupdmgr flashrom', /install|update|-w|--write|downgrade/, 'HIGH', 'kernel', 'writes firmware'],
  ['cpufreq-set tuned-adm', ANY, 'MEDIUM', 'kernel', 'changes how this machine runs'],
  ['ssh-copy-id ssh-import-id', ANY, 'HIGH', 'persistence', 'lets another key in'],
  [
    'osascript',
    /login item|do shell script|keystroke|System Events/,
    'HIGH',
    'persistence',
    'acts for the user of this machine',
  ],
  [
    'dconf gsettings defaults',
    /^(write|reset|delete|set).*(lock|autologin|LoginHook|security|com\.apple\.loginwindow)/,
    'MEDIUM',
    'persistence',
    'changes settings of this machine',
  ],
  [
    'ldconfig update-alternatives alternatives',
    /--(install|set|config)|^\/|-f/,
    'MEDIUM',
    'persistence',
    'changes what programs are',
  ],
  ['pm2', /^(kill|delete all|startup)/, 'MEDIUM', 'service', 'ends or installs services'],
  ['supervisorctl', /^(stop|shutdown|remove) ?(all)?/, 'MEDIUM', 'service', 'ends services'],
];

const WIRE: readonly Operation[] = [
  [
    'nmap masscan zmap rustscan',
    /\/([0-9]|1[0-9])(\s|$)|0\.0\.0\.0|-p-|-sS|--rate|--script|-A\b|-O\b/,
    'MEDIUM',
    'scan',
    'looks into other machines',
  ],
  ['hping3 nping slowloris', ANY, 'HIGH', 'flood', 'floods a network'],
  ['ab wrk hey siege vegeta bombardier', /(-c|-n|-z|-d|-t)\s*\d{5,}/, 'MEDIUM', 'flood', 'floods a server'],
  ['ping ping6', /(^|\s)-\w*f|--flood/, 'HIGH', 'flood', 'floods a network'],
  ['arpspoof ettercap bettercap dnsspoof responder', ANY, 'HIGH', 'intercept', 'puts itself between others'],
  ['hydra medusa john hashcat sqlmap msfconsole msfvenom nikto crackmapexec netexec', ANY, 'HIGH', 'attack', 'attacks'],
  ['tc', /(add|change|replace|del|delete)/, 'HIGH', 'network', 'changes the network'],
  ['xterm', /-display\s*\S*\d+\.\d+/, 'CRITICAL', 'reverse-shell', 'shows a shell on another machine'],
  ['tmate upterm teleport', ANY, 'HIGH', 'tunnel', 'opens a shell of this machine to others'],
  ['ssh-add', /^-D|^-d/, 'MEDIUM', 'keys', 'takes keys away'],
  [
    'ec2-metadata cloud-init',
    /--all|-a|-u|query|^$/,
    'HIGH',
    'metadata',
    'asks what gives away credentials of this machine',
  ],
  [
    'tailscale wg wg-quick openvpn',
    /(up|down|set|logout|funnel|serve)|--config/,
    'MEDIUM',
    'network',
    'changes the network',
  ],
  ['scutil networksetup', /--set|-set/, 'HIGH', 'network', 'changes the network'],
];

const SHELL_WIRE: readonly Operation[] = [
  ['ztcp zmodload', /net\/(tcp|socket)|\d/, 'HIGH', 'tunnel', 'opens a connection of the shell'],
];

const CLUSTERS: readonly Operation[] = [
  ['velero', /delete/, 'HIGH', 'kubernetes', 'deletes backups'],
  [
    'argocd',
    /(app|appset|proj|cluster|repo) (delete|rm|remove)|sync .*--(prune|force)/,
    'HIGH',
    'kubernetes',
    'deletes what runs',
  ],
  ['argo', /^(delete|terminate|stop) .*(--all|-A)/, 'MEDIUM', 'kubernetes', 'deletes what runs'],
  ['flux', /^(uninstall|delete|suspend)/, 'HIGH', 'kubernetes', 'removes what keeps the cluster as it is'],
  ['istioctl linkerd cilium', /uninstall|purge/, 'HIGH', 'kubernetes', 'removes a part of the cluster'],
  ['helm', /^plugin install https?:/, 'HIGH', 'install-from', 'installs what an address says'],
  ['helm', /^push /, 'HIGH', 'publish', 'changes what others install'],
  ['kubectl oc', /(^|\s)--as(-group)?[= ]\S*(system:|admin|masters)/, 'HIGH', 'kubernetes', 'acts as somebody else'],
  [
    'kubectl oc',
    /^delete .*(--raw|-k\b|--kustomize)|^delete .*(-f|--filename)[= ]?\S*(\/(\s|$)|.*(--recursive|-R\b))/,
    'MEDIUM',
    'kubernetes',
    'deletes much at once',
  ],
  [
    'kubectl oc',
    /^edit (clusterrole|role|secret|psp|node|ns|namespace|cm|configmap)/,
    'HIGH',
    'kubernetes',
    'changes who may do what',
  ],
  [
    'kubectl oc',
    /^port-forward .*--address[= ]?(0\.0\.0\.0|::)/,
    'HIGH',
    'tunnel',
    'opens a part of the cluster to the network',
  ],
  [
    'kubectl oc',
    /^(set|label|annotate|rollout restart|patch) .*(--all\b|-A\b|--all-namespaces)/,
    'HIGH',
    'kubernetes',
    'changes all at once',
  ],
  [
    'kubectl oc',
    /^(set|rollout|annotate|label) .*-n[= ]?(prod|production|kube-system)\b/,
    'MEDIUM',
    'kubernetes',
    'changes production',
  ],
  ['kubectl', /^cp .*(\/var\/run\/secrets|\/etc\/|\/root)/, 'HIGH', 'kubernetes', 'copies secrets of a pod'],
  [
    'nomad',
    /^(job stop|stop|system gc|node (drain|eligibility)|namespace delete|volume (delete|deregister))/,
    'HIGH',
    'cloud',
    'stops what runs',
  ],
  [
    'consul',
    /^(kv delete|leave|force-leave|acl|operator|services deregister|snapshot restore)/,
    'HIGH',
    'cloud',
    'deletes what others rely on',
  ],
  ['rancher k9s talosctl', /(delete|reset|rm|destroy|upgrade)/, 'HIGH', 'kubernetes', 'takes parts of a cluster away'],
  [
    'docker podman nerdctl',
    /^system (reset|prune .*--force.*--all.*--volumes)/,
    'HIGH',
    'containers',
    'deletes everything of containers',
  ],
  [
    'docker podman nerdctl',
    /^(image|builder|buildx|network|container) prune .*-\w*a/,
    'MEDIUM',
    'containers',
    'deletes what is not used',
  ],
  [
    'docker podman nerdctl',
    /^(rm|container rm|pod rm|rmi) .*(-\w*a|--all)/,
    'MEDIUM',
    'containers',
    'removes all containers',
  ],
  [
    'docker podman nerdctl',
    /^(node rm|context rm|secret rm|config rm|stack rm|service rm|plugin (install|rm)|swarm)/,
    'HIGH',
    'containers',
    'takes away what runs',
  ],
  [
    'docker podman nerdctl buildah',
    /^((image )?push|buildx build .*--push|build .*--push|manifest push)/,
    'MEDIUM',
    'publish',
    'changes what others pull',
  ],
  ['docker podman', /^-H[= ]?tcp:/, 'HIGH', 'leave-container', 'acts on another machine without a key'],
  ['dockerd containerd', /-H[= ]?tcp:|--insecure/, 'HIGH', 'tunnel', 'opens the daemon to the network'],
  [
    'ctr crictl nerdctl',
    /--privileged|--mount.*src=\//,
    'HIGH',
    'leave-container',
    'starts a container with the rights of this machine',
  ],
  [
    'lxc incus',
    /security\.privileged|source=\/|^(delete|stop) .*(--force|-f)|^exec .*rm/,
    'HIGH',
    'leave-container',
    'gives a container the rights of this machine',
  ],
  ['virsh', /^(destroy|undefine|vol-delete|pool-(destroy|delete))/, 'HIGH', 'cloud', 'destroys a machine'],
  [
    'VBoxManage vagrant multipass',
    /(unregistervm|destroy|delete|purge|closemedium)/,
    'MEDIUM',
    'cloud',
    'destroys a machine',
  ],
  [
    'salt salt-call',
    /cmd\.run|state\.apply|system\.|service\.stop|pkg\.remove|'\*'/,
    'HIGH',
    'elsewhere',
    'runs something on other machines',
  ],
  ['puppet chef-client chef', /apply|--onetime|-o|destroy|delete/, 'MEDIUM', 'elsewhere', 'changes machines'],
  [
    'ansible',
    /-m (reboot|shutdown|user|file|package|apt|yum|service|systemd)|-b\b/,
    'HIGH',
    'elsewhere',
    'changes other machines',
  ],
];

const CLOUD: readonly Operation[] = [
  ['eksctl aks-cli gke-cli kops ocm rosa', /^(delete|drain|destroy)/, 'HIGH', 'kubernetes', 'deletes clusters'],
  [
    'sam cdk chalice copilot eb amplify',
    /^(delete|destroy|terminate|app delete|svc delete|env delete)/,
    'HIGH',
    'cloud',
    'deletes what runs there',
  ],
  ['bq', /(^|\s)rm(\s|$)|query .*(DROP|DELETE|TRUNCATE)/i, 'HIGH', 'cloud', 'deletes stored data'],
  [
    'gcloud',
    /^([a-z0-9-]+ )+?(rm|delete|destroy|reset|remove-iam-policy-binding|disable)(\s|$)/,
    'HIGH',
    'cloud',
    'deletes what is there',
  ],
  [
    'gcloud aws az',
    /--acl[= ]?(public|authenticated)|allUsers|AllUsers|public-read/,
    'HIGH',
    'cloud',
    'opens stored data to everybody',
  ],
  [
    'aws',
    /^[a-z0-9-]+ (delete|terminate|remove|deregister|purge|disable|detach|revoke)(-[a-z-]+)?(\s|$)|^s3 (rm|rb|mv)\b.*(--recursive|--force)/,
    'HIGH',
    'cloud',
    'deletes or switches off',
  ],
  ['az', /^([a-z0-9-]+ )+?(delete|purge|deallocate|revoke)(\s|$)/, 'HIGH', 'cloud', 'deletes or switches off'],
  [
    'hcloud doctl linode-cli vultr-cli scw oci ibmcloud openstack civo upctl exo',
    /\b(delete|destroy|rebuild|reset|purge|remove|terminate|poweroff|rm)\b/,
    'HIGH',
    'cloud',
    'deletes what runs there',
  ],
  [
    'heroku',
    /(apps|addons|domains|certs|config|members|access|keys):(destroy|remove|unset)|pg:(reset|promote|copy|killall)|maintenance:on|ps:(stop|scale \S*=0)|releases:rollback/,
    'HIGH',
    'cloud',
    'deletes what runs there',
  ],
  [
    'fly flyctl render railway vercel netlify',
    /(^|\s)(destroy|delete|rm|remove|down|secrets unset|scale count 0|deploy|up|--prod)(\s|$)/,
    'MEDIUM',
    'cloud',
    'changes what others use',
  ],
  [
    'pulumi terraform tofu terragrunt',
    /stack rm|run-all (destroy|apply)|destroy-all/,
    'HIGH',
    'cloud',
    'deletes all that is managed',
  ],
  [
    'rclone',
    /^(purge|delete|deletefile|sync|move|rmdirs|cleanup|bisync)\b(?!.*--dry-run)/,
    'HIGH',
    'cloud',
    'deletes stored data',
  ],
  [
    'restic borg',
    /forget\b(?!.*--dry-run)|^(-\S+ \S+ )*prune|delete|key (remove|passwd)|unlock --remove-all/,
    'HIGH',
    'backups',
    'deletes backups',
  ],
  [
    'duplicity duplicati rsnapshot kopia bacula barman pgbackrest wal-g',
    /remove|delete|expire|purge|forget|maintenance run --full/,
    'HIGH',
    'backups',
    'deletes backups',
  ],
  ['tmutil', /^(delete|disable)/, 'HIGH', 'backups', 'deletes backups'],
  [
    'sops age gpg',
    /^(rotate|updatekeys)|--delete-(secret|key)|--export-secret/,
    'HIGH',
    'keys',
    'changes or gives away keys',
  ],
  ['certbot acme.sh', /revoke|delete|--remove/, 'HIGH', 'keys', 'takes certificates away'],
  [
    'wrangler',
    /(delete|destroy|purge|d1 execute .*(drop|delete)|deploy|publish)/i,
    'MEDIUM',
    'cloud',
    'changes what others use',
  ],
];

const DATA: readonly Operation[] = [
  ['influx influxd', /delete|restore .*--full/, 'HIGH', 'database', 'deletes stored data'],
  ['cypher-shell', /DELETE|DROP|REMOVE/i, 'HIGH', 'database', 'deletes stored data'],
  [
    'kafka-topics.sh kafka-topics kafka-configs.sh kafka-delete-records.sh kafka-consumer-groups.sh rpk kafkactl kcat',
    /--delete|--alter|--reset-offsets|topic delete|delete topic|group delete/,
    'HIGH',
    'database',
    'deletes topics',
  ],
  [
    'rabbitmqctl rabbitmqadmin',
    /reset|force_reset|delete|purge|stop|clear|change_password|set_permissions/,
    'HIGH',
    'database',
    'deletes queues or stops the broker',
  ],
  [
    'nats pulsar-admin',
    /(stream|consumer|kv|object) (rm|delete|purge|del)|topics delete|namespaces delete/,
    'HIGH',
    'database',
    'deletes streams',
  ],
  ['elasticdump curator opensearch-cli', /delete|DELETE/, 'HIGH', 'database', 'deletes indices'],
  [
    'rake rails bin/rails bundle',
    /db:(drop|reset|purge|schema:load|migrate:reset|truncate_all|seed:replant)/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  [
    'python python3 manage.py ./manage.py django-admin',
    /manage\.py\s+(flush|reset_db|sqlflush|migrate \S+ zero|clear_cache|delete)|^(flush|reset_db)\b/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  [
    'php artisan',
    /(migrate:(fresh|reset|refresh|rollback)|db:wipe|doctrine:(schema|database):drop)/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  ['alembic', /downgrade\s+(base|-\d)|stamp/, 'HIGH', 'database', 'takes a database back'],
  ['flyway', /(^|\s)(clean|undo|repair)\b/, 'HIGH', 'database', 'deletes all of a database'],
  ['liquibase', /drop-?all|rollback/i, 'HIGH', 'database', 'deletes all of a database'],
  ['diesel', /database (reset|drop)|migration (redo|revert)/, 'HIGH', 'database', 'deletes all of a database'],
  [
    'supabase',
    /db reset .*--linked|db push|projects delete|branches delete/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  [
    'prisma',
    /migrate reset|db push .*--(force-reset|accept-data-loss)/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  [
    'npx pnpm yarn bunx',
    /(prisma (migrate reset|db push .*--force)|typeorm .*schema:drop|sequelize(-cli)? db:drop|drizzle-kit drop|knex migrate:rollback --all)/,
    'HIGH',
    'database',
    'deletes all of a database',
  ],
  ['mix', /ecto\.(drop|reset)/, 'HIGH', 'database', 'deletes all of a database'],
  ['etcdctl', /del(ete)? .*--prefix/, 'CRITICAL', 'kubernetes', 'deletes the store of the cluster'],
  [
    'vault',
    /^(delete|kv (delete|destroy|metadata delete)|secrets disable|auth disable|operator|lease revoke -)/,
    'HIGH',
    'cloud',
    'changes the store of secrets',
  ],
];

const PUBLISHING: readonly Operation[] = [
  [
    'npm pnpm yarn bun',
    /(^|\s)(publish|unpublish|deprecate|owner|access|dist-tag|token create|npm publish)(\s|$)(?!.*--dry-run)/,
    'HIGH',
    'publish',
    'changes what others install',
  ],
  [
    'npx bunx pnpx',
    /(lerna publish|np\b|semantic-release|release-it|changeset publish|vsce publish|ovsx publish|nx release)(?!.*--dry-run)/,
    'HIGH',
    'publish',
    'changes what others install',
  ],
  [
    'lerna semantic-release release-it changeset',
    /publish|release|--no-ci|^$/,
    'HIGH',
    'publish',
    'changes what others install',
  ],
  ['gh glab', /^release (create|upload|edit|delete)/, 'HIGH', 'publish', 'changes what others download'],
  [
    'gh glab',
    /^(pr|mr) merge .*(--admin|--auto.*--admin)|^pr merge .*--delete-branch.*--admin|^ruleset|^api .*protection/,
    'HIGH',
    'forge',
    'goes past the rules of a branch',
  ],
  ['gh glab', /^gist create/, 'MEDIUM', 'publish', 'publishes files'],
  ['fastlane', /(deliver|release|upload|supply|pilot)/, 'HIGH', 'publish', 'changes what others install'],
  ['cap mina kamal', /(deploy|rollback|remove|redeploy)/, 'HIGH', 'cloud', 'changes what others use'],
  [
    'ansible-playbook',
    /-l (prod|all)|(prod|production)\S*\.ya?ml|wipe|destroy/,
    'MEDIUM',
    'elsewhere',
    'changes production',
  ],
  [
    'gem',
    /--source[= ]?http:|(^|\s)(push|yank|owner)(\s|$)/,
    'HIGH',
    'install-from',
    'installs from, or changes, what others install',
  ],
  [
    'uv pip pip3',
    /--(default-)?index(-url)?[= ]?http:/,
    'HIGH',
    'install-from',
    'installs from a place that nobody vouches for',
  ],
  [
    'pip pip3 npm yarn pnpm git',
    /^config (set|--global) .*(index-url|registry|proxy|trusted-host|strict-ssl)\s*[= ]?\s*(http:|false|\S*@)/,
    'HIGH',
    'install-from',
    'changes where things are installed from',
  ],
  [
    'git',
    /config .*(http\.proxy|url\..*insteadof|core\.gitproxy|init\.templatedir)/i,
    'HIGH',
    'persistence',
    'changes where git goes, or what it runs',
  ],
  ['npm', /^pkg set scripts\.(pre|post)?install/, 'MEDIUM', 'persistence', 'runs something at the next install'],
];

const HISTORY: readonly Operation[] = [
  [
    'jj',
    /^(abandon|op(eration)? (undo|restore|abandon))|git push .*--deleted/,
    'HIGH',
    'git-history',
    'throws changes away',
  ],
  [
    'hg',
    /^(strip|rollback|purge|histedit)|--config extensions\.(strip|mq)/,
    'HIGH',
    'git-history',
    'throws changes away',
  ],
  ['svn', /^(delete|rm|del|remove) .*:\/\//, 'HIGH', 'git-history', 'deletes what others share'],
  ['p4', /^(obliterate|delete|revert .*\.\.\.)/, 'HIGH', 'git-history', 'deletes what others share'],
  ['git-lfs', /prune .*--force/, 'HIGH', 'git-history', 'deletes large files'],
  ['fossil', /(purge|scrub|shun)/, 'HIGH', 'git-history', 'deletes what others share'],
];

const TRACKS: readonly Operation[] = [
  ['unset', /HISTFILE|HISTSIZE|PROMPT_COMMAND/, 'HIGH', 'cover-tracks', 'stops writing down what is done'],
  ['set', /^\+o history/, 'HIGH', 'cover-tracks', 'stops writing down what is done'],
  ['logrotate', /-f|--force/, 'MEDIUM', 'cover-tracks', 'takes logs away'],
  ['wevtutil', /^(cl|clear-log)/i, 'HIGH', 'cover-tracks', 'deletes logs'],
  ['utmpdump lastlog', /-r|--clear|-C|>/, 'HIGH', 'cover-tracks', 'changes who was logged in'],
  ['enable', /-f/, 'HIGH', 'preload', 'loads code into the shell'],
];

/** `format C:`, `cmd /c del`: with the names that reach a shell on Linux, too. */
const WINDOWS: readonly Operation[] = [
  ['format format.com', /^[a-z]:/i, 'CRITICAL', 'disk', 'erases a disk'],
  ['diskpart bcdedit', ANY, 'CRITICAL', 'disk', 'changes disks or how the machine starts'],
  ['vssadmin wbadmin', /delete|disable/i, 'CRITICAL', 'backups', 'deletes backups'],
  ['cipher', /\/w/i, 'HIGH', 'disk', 'erases what is free'],
  ['schtasks schtasks.exe', /\/(create|change|delete)/i, 'HIGH', 'persistence', 'runs something later by itself'],
  ['reg reg.exe', /^(add|delete|import|restore)/i, 'HIGH', 'persistence', 'changes the registry'],
  ['sc sc.exe', /^(create|config|delete|stop)/i, 'HIGH', 'service', 'changes services'],
  [
    'net net.exe',
    /^(user|localgroup|stop|share|accounts)\b.*(\/add|\/delete|\/active|stop)/i,
    'HIGH',
    'users',
    'changes who may use this machine',
  ],
  ['netsh netsh.exe', /(set|add|delete|reset|off|disable)/i, 'HIGH', 'firewall', 'changes the firewall'],
  ['icacls takeown attrib', /grant|reset|\/f|[+-][rsh]/i, 'HIGH', 'permissions-system', 'changes permissions'],
  [
    'taskkill taskkill.exe',
    /\/f.*\/im (svchost|lsass|winlogon|explorer|\*)/i,
    'HIGH',
    'kill-all',
    'ends programs of the system',
  ],
  [
    'certutil certutil.exe bitsadmin mshta regsvr32 rundll32 wmic',
    /urlcache|-f http|transfer|https?:|javascript:|process call create|scrobj/i,
    'HIGH',
    'download-run',
    'fetches or runs what comes over the network',
  ],
];

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

const BY_NAME = collect([
  ...STORAGE,
  ...MACHINE,
  ...WIRE,
  ...SHELL_WIRE,
  ...CLUSTERS,
  ...CLOUD,
  ...DATA,
  ...PUBLISHING,
  ...HISTORY,
  ...TRACKS,
  ...WINDOWS,
]);

export const operations: Handlers = Object.fromEntries([...BY_NAME].map(([name, rules]) => [name, handlerOf(rules)]));

export const tells: Handlers = Object.fromEntries(
  [...new Set(TELLS.flatMap(([names]) => names.split(' ')))].map((name) => {
    const patterns = TELLS.filter(([names]) => names.split(' ').includes(name)).map(([, pattern]) => pattern);
    const handler: Handler = ({ args }) =>
      patterns.some((pattern) => pattern.test(args.join(' '))) ? SECRET : undefined;
    return [name, handler];
  }),
);
