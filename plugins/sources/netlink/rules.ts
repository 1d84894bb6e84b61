import type { RuleRecord } from '#native';

import { headerOf } from './change.ts';
import type { FamilyRules } from './object-table.ts';

/** The kernel knows no change of a rule: all of it says which rule it is. */
const IDENTITY = [
  'family',
  'priority',
  'action',
  'table',
  'tos',
  'source',
  'destination',
  'iifname',
  'oifname',
  'fwmark',
  'fwmask',
  'target',
  'l3mdev',
  'suppressPrefixLength',
  'suppressGroup',
  'ipProtocol',
  'dscp',
  'uidRange',
  'sourcePorts',
  'destinationPorts',
  'tunnelId',
] as const satisfies readonly (keyof RuleRecord)[];

export const ruleRules: FamilyRules<RuleRecord> = {
  family: 'rule',
  newMessage: 32,
  keyOf: (record) => IDENTITY.map((key) => record[key]).join(' '),
  watched: [
    // Whether the interface that it names is there.
    ['flags', 'flags'],
    ['protocol', 'protocol'],
  ],
  drifting: new Set(['flags']),
  describe: (record, changed) => ({
    ifname: '',
    subject: `rule ${record.priority} from ${record.source ?? 'all'} to ${record.destination ?? 'all'}`,
    attributes: {
      ...headerOf(record),
      'netlink.rule.family': record.family,
      'netlink.rule.priority': record.priority,
      'netlink.rule.action': record.action,
      'netlink.rule.table': record.table,
      'netlink.rule.src': record.source ?? undefined,
      'netlink.rule.src_len': record.sourceLength,
      'netlink.rule.dst': record.destination ?? undefined,
      'netlink.rule.dst_len': record.destinationLength,
      'netlink.rule.iifname': record.iifname ?? undefined,
      'netlink.rule.oifname': record.oifname ?? undefined,
      'netlink.rule.tos': record.tos,
      'netlink.rule.flags': record.flags,
      'netlink.rule.fwmark': record.fwmark ?? undefined,
      'netlink.rule.fwmask': record.fwmask ?? undefined,
      'netlink.rule.goto': record.target ?? undefined,
      'netlink.rule.l3mdev': record.l3mdev ?? undefined,
      'netlink.rule.suppress_prefixlen': record.suppressPrefixLength ?? undefined,
      'netlink.rule.suppress_ifgroup': record.suppressGroup ?? undefined,
      'netlink.rule.ip_proto': record.ipProtocol ?? undefined,
      'netlink.rule.protocol': record.protocol ?? undefined,
      'netlink.rule.dscp': record.dscp ?? undefined,
      'netlink.rule.uid_range': record.uidRange ?? undefined,
      'netlink.rule.sport': record.sourcePorts ?? undefined,
      'netlink.rule.dport': record.destinationPorts ?? undefined,
      'netlink.rule.tun_id': record.tunnelId ?? undefined,
      'netlink.rule.changed': changed,
    },
  }),
};
