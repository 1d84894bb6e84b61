/** The machine itself: processes, services, users, kernel, disks, what runs later, what is written down of it all. */
import { parseOptions } from '../shell/arguments.ts';
import { type Handler, type Handlers, named } from '../shell/invocation.ts';
import { HOLE, NAME, PROCESSES, shown } from '../shell/marks.ts';
import { absolute } from '../shell/names.ts';
import { contentOf } from './files.ts';
import { isDevice } from './paths.ts';

/** `--help`, `--version`: nothing else happens then. */
function onlyAsks(args: readonly string[]): boolean {
  return args.some((arg) => /^(--help|--version|-V|-\?)$/.test(arg)) || (args.length === 1 && args[0] === '-h');
}

function always(risk: 'MEDIUM' | 'HIGH' | 'CRITICAL', rule: string, what: string): Handler {
  return ({ name, args }, host) => {
    if (!onlyAsks(args)) host.find(risk, rule, `${what}: ${name} ${shown(args.join(' '))}`);
    return NAME;
  };
}

/** Everything but what only looks. */
function except(pattern: RegExp, risk: 'MEDIUM' | 'HIGH' | 'CRITICAL', rule: string, what: string): Handler {
  const handler = always(risk, rule, what);
  return (from, host) => (pattern.test(from.args.join(' ')) ? NAME : handler(from, host));
}

const kill: Handler = ({ name, args }, host) => {
  const targets = args.filter((arg, index) => !(index === 0 && /^-(?!1$)/.test(arg) && arg !== '--') && arg !== '--');
  const hasSignal = (args[0] ?? '').startsWith('-');
  const operands = hasSignal
    ? args.slice(args[0] === '-s' || args[0] === '-n' ? 2 : 1).filter((arg) => arg !== '--')
    : targets;
  if (args[0] === '-l' || args[0] === '-L' || args[0] === '-0') return NAME;
  if (operands.includes('-1')) host.find('CRITICAL', 'kill-all', `${name} ends every process`);
  else if (operands.some((operand) => operand.includes(PROCESSES) || /[*?[]/.test(operand)))
    host.find('CRITICAL', 'kill-all', `${name} ends processes of all kinds`);
  else if (operands.includes('1'))
    host.find('HIGH', 'kill-init', `${name} signals process 1, from which all others come`);
  return '';
};

const IMPORTANT =
  /^(systemd.*|init|ssh|sshd|bash|sh|zsh|tmux|dockerd?|containerd.*|kubelet|kube-.*|etcd|dbus.*|NetworkManager|cron|crond|rsyslogd|journald|auditd|falco.*|trotline.*|login|Xorg|gnome-session|launchd|postgres|mysqld|mongod|redis-server|nginx|haproxy|vault|consul|\.|\.\*|.*\*.*)$/;

const killByName: Handler = ({ name, args }, host) => {
  const parsed = parseOptions(args, { valued: ['u', 'U', 's', 'g', 'P', 't', 'signal', 'euid', 'user'] });
  if (onlyAsks(args) || parsed.has('l', 'list')) return NAME;
  const targets = parsed.operands.filter((operand) => !/^-?\d+$|^-?SIG/.test(operand));
  const [target = ''] = targets;
  const important = targets.find((each) => IMPORTANT.test(each.replace(/^\^|\$$/g, '')));
  if (name === 'killall5' || (target === '' && parsed.operands.length > 0))
    host.find('CRITICAL', 'kill-all', `${name} ends every process`);
  if (parsed.has('u', 'U', 'user', 'euid') && target === '')
    host.find(
      /(^|\s)(root|0)(\s|$)/.test(args.join(' ')) ? 'CRITICAL' : 'HIGH',
      'kill-all',
      `${name} ends everything of a user`,
    );
  else if (/^\.\*?$/.test(target)) host.find('CRITICAL', 'kill-all', `${name} ends every process`);
  else if (important !== undefined) host.find('HIGH', 'kill-service', `${name} ends ${shown(important)}`);
  else if (target.includes(HOLE)) host.find('MEDIUM', 'kill-service', `${name} ends what cannot be seen here`);
  return '';
};

const SERVICE_READS =
  /^(--user |--no-pager |-\S+ )*(status|list-\S+|show\S*|cat|is-\S+|--failed|--state\S*|-a|--all|get-default|--version|--help|help|log|daemon-reexec --help|$)/;

const systemctl: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (SERVICE_READS.test(text)) return NAME;
  if (/\b(poweroff|reboot|halt|kexec|emergency|rescue|suspend|hibernate|soft-reboot|isolate)\b/.test(text))
    host.find('CRITICAL', 'shutdown', `stops this machine: ${name} ${shown(text)}`);
  else if (/\b(enable|link|edit|set-default|preset|import-environment|set-environment|reenable)\b/.test(text))
    host.find('HIGH', 'persistence', `runs something later by itself: ${name} ${shown(text)}`);
  else if (/\b(stop|disable|mask|kill|restart|try-restart|reload-or-restart)\b/.test(text))
    host.find(
      /--user/.test(text) ? 'MEDIUM' : 'HIGH',
      'service',
      `changes a service of this machine: ${name} ${shown(text)}`,
    );
  else host.find('MEDIUM', 'service', `changes a service of this machine: ${name} ${shown(text)}`);
  return NAME;
};

const service: Handler = ({ args }, host) => {
  const [name = '', verb = ''] = args;
  if (verb !== 'status' && name !== '--status-all' && verb !== '')
    host.find('HIGH', 'service', `changes the service ${shown(name)}: ${shown(verb)}`);
  return NAME;
};

const crontab: Handler = (from, host) => {
  const args = parseOptions(from.args, { valued: ['u'] });
  if (args.has('l')) return NAME;
  if (args.has('r')) host.find('HIGH', 'persistence', 'deletes everything that runs at times');
  else if (!onlyAsks(from.args)) {
    host.find('HIGH', 'persistence', 'changes what runs at times');
    const [file] = args.operands;
    const table = file === undefined || file === '-' ? from.stdin : contentOf(absolute(file, from.scope), from.scope);
    for (const line of table.split('\n')) {
      const command = /^\s*(?:@\w+|(?:\S+\s+){5})(.+)$/.exec(line)?.[1];
      if (command !== undefined && !command.includes(HOLE)) host.runText(command, from);
    }
  }
  return '';
};

const disk: Handler = ({ name, args }, host) => {
  const text = args.join(' ');
  if (
    onlyAsks(args) ||
    /^(-\w*l\w*|--list|-x|-p|print|info|list|show|status|get|history|iostat|events|--detail|--examine|--query|-D|-E|-Q|luksDump|isLuks|ls|table|deps)( |$)/.test(
      text,
    ) ||
    (/\bprint\b/.test(text) && name === 'parted')
  )
    return NAME;
  const target = args.findLast((arg) => !arg.startsWith('-')) ?? '';
  const isFile = name.startsWith('mk') && target !== '' && !target.startsWith('/dev/') && !target.includes(HOLE);
  if (isFile && args.length > 0) return NAME;
  if (name === 'parted' && args.length < 2) return NAME;
  host.find('CRITICAL', 'disk', `writes over a disk: ${name} ${shown(text)}`);
  return '';
};

const hdparm: Handler = ({ name, args }, host) => {
  if (/security-erase|--yes-i-know|format|sanitize|-W|--trim/.test(args.join(' ')))
    host.find('CRITICAL', 'disk', `erases a disk: ${name} ${shown(args.join(' '))}`);
  return NAME;
};

const swap = except(/^(--show|-s|--summary)/, 'MEDIUM', 'system', 'changes memory of this machine');

const mount: Handler = ({ name, args }, host) => {
  const operands = args.filter((arg) => !arg.startsWith('-'));
  if (operands.length === 0 || onlyAsks(args)) return NAME;
  const risk = operands.some(isDevice) || args.some((arg) => /remount|bind|all|-a/.test(arg)) ? 'HIGH' : 'MEDIUM';
  host.find(risk, 'mount', `changes what is mounted: ${name} ${shown(args.join(' '))}`);
  return '';
};

const sysctl: Handler = ({ args }, host) => {
  const text = args.join(' ');
  if (/(^|\s)(-w|--write|-p|--system|--load)|=/.test(text)) {
    host.find('HIGH', 'kernel', `changes the running kernel: sysctl ${shown(text)}`);
    if (text.includes('core_pattern'))
      host.find('CRITICAL', 'leave-container', 'sets the program that the kernel runs when another crashes');
  }
  return NAME;
};

const history: Handler = ({ args }, host) => {
  if (/-[a-z]*[cdw]/.test(args.join(' '))) host.find('HIGH', 'cover-tracks', 'deletes the history of commands');
  return NAME;
};

const shutdown: Handler = ({ name, args }, host) => {
  if (onlyAsks(args) || args.includes('-c') || args.includes('--show')) return NAME;
  if (name === 'telinit' || name === 'init') {
    if (/^[0-6sS]$/.test(args[0] ?? '')) host.find('CRITICAL', 'shutdown', `stops this machine: ${name} ${args[0]}`);
    return NAME;
  }
  host.find('CRITICAL', 'shutdown', `stops this machine: ${name} ${shown(args.join(' '))}`);
  return '';
};

const users: Handler = ({ name, args }, host) => {
  if (
    onlyAsks(args) ||
    (name === 'passwd' && /^-S|--status/.test(args.join(' '))) ||
    (name === 'visudo' && args.includes('-c'))
  )
    return NAME;
  const isRoot = /(^|\s)(-u|--uid)[= ]?0(\s|$)|-G\S*\s+(root|sudo|wheel|docker)\b/.test(args.join(' '));
  host.find(
    isRoot ? 'CRITICAL' : 'HIGH',
    'users',
    `changes who may use this machine: ${name} ${shown(args.join(' '))}`,
  );
  return '';
};

const journal: Handler = ({ args }, host) => {
  if (args.some((arg) => /^--(vacuum|rotate|flush)/.test(arg)))
    host.find('HIGH', 'cover-tracks', `deletes logs: journalctl ${shown(args.join(' '))}`);
  return NAME;
};

const auditOff: Handler = ({ name, args }, host) => {
  if (!/^(-l|-s|--version|status|-m$)/.test(args.join(' ')) && args.length > 0)
    host.find('HIGH', 'cover-tracks', `turns off what is written down: ${name} ${shown(args.join(' '))}`);
  return NAME;
};

export const system: Handlers = {
  kill,
  systemctl,
  service,
  crontab,
  sysctl,
  history,
  journalctl: journal,
  ...named('pkill killall killall5 skill', killByName),
  ...named('shutdown reboot halt poweroff telinit init', shutdown),
  ...named(
    'mkfs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.fat mkfs.ntfs mkfs.f2fs mke2fs mkdosfs mkswap wipefs blkdiscard fdisk sfdisk cfdisk gdisk sgdisk parted lvremove vgremove pvremove lvreduce zpool zfs cryptsetup mdadm dmsetup badblocks diskutil newfs ddrescue nwipe',
    disk,
  ),
  ...named('hdparm nvme sg_format smartctl', hdparm),
  ...named('swapoff swapon', swap),
  ...named('mount umount losetup fusermount', mount),
  ...named(
    'useradd userdel usermod groupadd groupdel groupmod adduser deluser addgroup delgroup passwd chpasswd visudo gpasswd chsh chage vipw vigr newusers dscl',
    users,
  ),
  ...named(
    'insmod rmmod modprobe kexec',
    except(/^(-n|--dry-run|--show|-c|--showconfig|-D)/, 'HIGH', 'kernel', 'changes the running kernel'),
  ),
  ...named(
    'auditctl augenrules auditd setenforce aa-teardown aa-disable aa-complain apparmor_parser semanage',
    auditOff,
  ),
  ...named(
    'launchctl',
    except(/^(list|print|blame|version|help|getenv)/, 'HIGH', 'persistence', 'changes what runs by itself'),
  ),
  ...named(
    'update-rc.d chkconfig rc-update update-grub grub-install efibootmgr',
    except(/^(--list|show|-v$|$)/, 'HIGH', 'persistence', 'changes what this machine starts'),
  ),
  ...named(
    'timedatectl hostnamectl localectl',
    except(/^(status|show|list|$)/, 'MEDIUM', 'system', 'changes this machine'),
  ),
  ...named('date', except(/^(?!(.*\s)?(-[a-zA-Z]*s\b|--set\b))/, 'HIGH', 'system', 'sets the clock of this machine')),
  ...named(
    'hwclock',
    except(/^(-r|--show|--get|--verbose|--help|--version|$)/, 'HIGH', 'system', 'sets the clock of this machine'),
  ),
  ...named('capsh', always('HIGH', 'leave-sandbox', 'changes what a program may do')),
  ...named('setcap', always('CRITICAL', 'setuid', 'gives a program rights of the system')),
  ...named('gcore reptyr', always('HIGH', 'memory', 'reads the memory of another program')),
  ...named(
    'tcpdump tshark',
    except(/-r\s|-i lo\b|--help|--version|-D\b/, 'MEDIUM', 'listen', 'reads what goes over the network'),
  ),
};
