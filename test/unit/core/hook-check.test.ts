import { describe, expect, it } from 'vitest';

import { checkHookSpec, withCel } from '#core';

import { vocabulary } from './kit.ts';

const actions = [{ type: 'webhook', config: { url: 'http://h/' } }];

function issues(spec: object, form: 'EventHook' | 'nlmon' = 'EventHook'): string[] {
  return checkHookSpec({ actions, ...spec }, form, vocabulary).issues.map(({ path, message }) => `${path} ${message}`);
}

describe('checking a spec', () => {
  it('fills in the defaults of the hook and of its actions, frozen', () => {
    const { spec } = checkHookSpec({ actions }, 'EventHook', vocabulary);
    expect(spec?.actions).toEqual([{ type: 'webhook', config: { url: 'http://h/', timeout: 5000 } }]);
    expect(Object.isFrozen(spec)).toBe(true);
    expect(Object.isFrozen(spec?.actions[0]?.config)).toBe(true);
  });

  it('makes event types canonical, by the source or over all sources', () => {
    const types = (spec: object) => checkHookSpec({ actions, ...spec }, 'EventHook', vocabulary).spec?.eventTypes;
    expect(types({ source: 'netlink', eventTypes: ['link-added', 'netlink.link-deleted'] })).toEqual([
      'netlink.link-added',
      'netlink.link-deleted',
    ]);
    expect(types({ eventTypes: ['pre-tool-use', 'link-added'] })).toEqual(['agent.pre-tool-use', 'netlink.link-added']);
  });

  it.each<[object, string[]]>([
    [{ source: 'netlnk' }, ['/source unknown source "netlnk"; did you mean "netlink"?']],
    [{ source: 'none', eventTypes: ['any'] }, ['/source unknown source "none"']],
    [
      { source: 'netlink', eventTypes: ['link-adde', 'pre-tool-use'] },
      [
        '/eventTypes/0 unknown event type "link-adde"; did you mean "link-added"?',
        '/eventTypes/1 unknown event type "pre-tool-use"',
      ],
    ],
    [{ actions: [{ type: 'scrpt' }] }, ['/actions/0/type unknown action "scrpt"; did you mean "script"?']],
    [{ actions: [] }, ['/actions must not be empty']],
    [{ actions: Array(17).fill(actions[0]) }, ['/actions must not have more than 16 items']],
    [
      { dedup: { key: ['node', 'interfce', 'netlink.link.mtu'] } },
      ['/dedup/key/1 unknown field "interfce"; did you mean "interface"?'],
    ],
    [{ dedup: { window: '10ms' } }, ['/dedup/window must be at least 1s']],
    [{ group: { by: ['ownr'] } }, ['/group/by/0 unknown field "ownr"; did you mean "owner"?']],
    [
      { group: { by: ['owner'] }, dedup: { key: ['name'], scope: 'node' }, run: 'sync' },
      ['/dedup/key excludes group', '/dedup/scope "node" excludes group', '/run "sync" excludes group'],
    ],
    [{ limit: { count: 0 } }, ['/limit/per is required', '/limit/count must be >= 1']],
    [
      { actions: [{ type: 'script', config: { script: 'echo' } }] },
      ["/actions/0/config/script shell text is for nlmon's and Claude Code's documents only"],
    ],
    [{ actions: [{ type: 'script' }] }, ['/actions/0/config/command is required']],
    [
      { actions: [{ type: 'script', config: { command: ['alert.sh'] } }] },
      ['/actions/0/config/command/0 "alert.sh" is no place of a program'],
    ],
    [
      { actions: [{ type: 'script', config: { command: ['../alert.sh'] } }] },
      ['/actions/0/config/command/0 "../alert.sh" is no place of a program'],
    ],
  ])('refuses %j', (spec, texts) => {
    expect(issues(spec)).toEqual(texts);
  });

  it('lists what is known beside a name that is not', () => {
    const { issues } = checkHookSpec(
      { source: 'x', eventTypes: [], actions: [{ type: 'x' }] },
      'EventHook',
      vocabulary,
    );
    expect(issues.map(({ expected }) => expected)).toEqual(['one of netlink, agent', 'one of script, webhook']);
  });

  it('takes shell text from an nlmon document', () => {
    expect(issues({ actions: [{ type: 'script', config: { script: 'echo' } }] }, 'nlmon')).toEqual([]);
  });

  it('checks each part that has its type, whatever is wrong with the others', () => {
    const spec = {
      source: 5,
      eventTypes: ['link-adde', 5],
      condition: 'interface ==',
      dedup: { key: [5, 'interfce'], widow: 1 },
      actions: [5, { type: 5 }, { type: 'webhook', config: 5, more: 1 }, { type: 'script', config: { timeout: 'x' } }],
    };
    expect(issues(spec)).toEqual(
      expect.arrayContaining([
        '/source must be text',
        '/eventTypes/1 must be text',
        '/eventTypes/0 unknown event type "link-adde"; did you mean "link-added"?',
        '/condition unexpected end',
        '/dedup/key/0 must be text',
        '/dedup/key/1 unknown field "interfce"; did you mean "interface"?',
        '/dedup/widow is not a known key; did you mean "window"?',
        '/actions/0 must be a map',
        '/actions/1/type must be text',
        '/actions/2/config must be a map',
        '/actions/2/more is not a known key',
        '/actions/2/config/url is required',
        '/actions/3/config/timeout "x" is no duration',
      ]),
    );
  });

  it.each([[null], [5], [[]], ['x']])('refuses %j as a whole', (spec) => {
    const { issues } = checkHookSpec(spec, 'EventHook', vocabulary);
    expect(issues).toEqual([{ path: '', message: 'must be a map' }]);
  });

  it('points at the place in a condition, with what was expected', () => {
    const { issues } = checkHookSpec({ actions, condition: "foo == 1 AND interface =~ 'x'" }, 'EventHook', vocabulary);
    expect(issues).toMatchObject([{ path: '/condition', offset: 0, message: 'unknown field foo' }]);
    expect(issues[0]?.expected).toContain('message_type');
    expect(issues[0]?.message).not.toContain('expected');
  });

  it('warns of a condition that is surely no wish', () => {
    const { spec, warnings } = checkHookSpec({ actions, condition: 'NOT interface' }, 'EventHook', vocabulary);
    expect(spec).not.toBeNull();
    expect(warnings).toMatchObject([{ path: '/condition', offset: 4 }]);
  });
});

describe('cel of a hook', () => {
  const cel = 'event.interfce == "x" &&\n event.foo == 1';

  it('is refused with every problem and its place', async () => {
    const { issues } = checkHookSpec({ actions, cel }, 'EventHook', await withCel(vocabulary));
    expect(issues).toMatchObject([
      { path: '/cel', offset: 0, message: 'unknown field interfce (did you mean interface?)' },
      { path: '/cel', offset: 26, message: 'unknown field foo' },
    ]);
  });

  it('is checked beside the condition, and warned of', async () => {
    const spec = { actions, condition: 'foo == 1', cel: 'event.netlink.ct.mark == 1' };
    const { issues, warnings } = checkHookSpec(spec, 'EventHook', await withCel(vocabulary));
    expect(issues).toMatchObject([{ path: '/condition' }]);
    expect(warnings).toMatchObject([{ path: '/cel', offset: 0, message: expect.stringContaining('no source sets') }]);
  });

  it('is not empty, and not accepted unchecked', async () => {
    expect(checkHookSpec({ actions, cel: '' }, 'EventHook', await withCel(vocabulary)).issues).toMatchObject([
      { path: '/cel' },
    ]);
    expect(checkHookSpec({ actions, cel: 'true' }, 'EventHook', vocabulary).issues).toMatchObject([
      { path: '/cel', message: 'CEL cannot be checked here' },
    ]);
    expect(checkHookSpec({ actions }, 'EventHook', vocabulary).spec).not.toHaveProperty('cel');
  });
});
