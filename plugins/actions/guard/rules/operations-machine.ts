/** What operations people fear on a machine: disks, power, firmware, network, history, tracks; and of Windows. */
import type { Operation } from './operation.ts';

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
  ['loginctl', /^(poweroff|reboot|halt)/, 'CRITICAL', 'shutdown', 'stops this machine'],
  [
    'ansible',
    /-m (reboot|shutdown)|path=\/ |state=absent.*path=\/(\s|$)|path=\/ state=absent/,
    'CRITICAL',
    'elsewhere',
    'stops or wipes other machines',
  ],
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
    'rc-service initctl sv svcadm s6-svc',
    /\b(stop|restart|disable|down|exit)\b|-d\b/,
    'HIGH',
    'service',
    'changes a service of this machine',
  ],
  ['loginctl', /enable-linger/, 'HIGH', 'persistence', 'keeps programs of a user running'],
  ['systemd-run', /--on-\w+|--timer/, 'HIGH', 'persistence', 'runs something later by itself'],
  ['grubby', /--(args|remove-args|set-default)/, 'HIGH', 'kernel', 'changes what this machine starts'],
  ['hostname domainname', /^[^-\s]+$/, 'MEDIUM', 'system', 'gives this machine another name'],
  ['umask', /^0?00[0-7]?$/, 'MEDIUM', 'permissions-open', 'lets every user write what comes'],
  [
    'k3s-uninstall.sh k3s-agent-uninstall.sh k3s-killall.sh rke2-uninstall.sh',
    /^/,
    'HIGH',
    'kubernetes',
    'takes the cluster down',
  ],
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
  [
    'bpftool',
    /^(prog (load|attach|detach)|net detach|map (update|delete))/,
    'HIGH',
    'kernel',
    'loads code into the kernel',
  ],
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
  ['resolvectl', /^(dns|domain|default-route|revert|dnssec)\s/, 'HIGH', 'network', 'changes where names lead'],
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
  ['svn', /^(delete|rm|del|remove) .*(:\/\/|\^\/)/, 'HIGH', 'git-history', 'deletes what others share'],
  ['p4', /^(obliterate|delete|revert .*\.\.\.)/, 'HIGH', 'git-history', 'deletes what others share'],
  ['git-lfs', /prune .*--force/, 'HIGH', 'git-history', 'deletes large files'],
  ['fossil', /(purge|scrub|shun)/, 'HIGH', 'git-history', 'deletes what others share'],
];

const TRACKS: readonly Operation[] = [
  ['dmesg', /(^|\s)(-C|-c|--clear|--read-clear)(\s|$)/, 'HIGH', 'cover-tracks', 'deletes what the kernel said'],
  ['setopt', /no_?hist/i, 'HIGH', 'cover-tracks', 'stops writing down what is done'],
  ['fc', /^-[pW]/, 'HIGH', 'cover-tracks', 'stops writing down what is done'],
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

export const ON_THE_MACHINE: readonly Operation[] = [
  ...STORAGE,
  ...MACHINE,
  ...WIRE,
  ...SHELL_WIRE,
  ...HISTORY,
  ...TRACKS,
  ...WINDOWS,
];
