import { describe, expect, it } from 'vitest';

import { ConfigError, type Hook, hookId, type Issue, refuseDuplicates } from '#core';

import { ACTIONS, HEAD, problems, read, thrownBy } from './kit.ts';

function refusalOf(text: string): readonly Issue[] {
  const error = thrownBy(() => read(text));
  if (!(error instanceof ConfigError)) throw error;
  return error.issues;
}

describe('an EventHook document', () => {
  it('is accepted with its place', () => {
    const { hooks, refused, warnings } = read(`# first\n${HEAD}spec:\n${ACTIONS}`, 'dir/net.yaml');
    expect(refused).toEqual([]);
    expect(warnings).toEqual([]);
    expect(hooks).toMatchObject([
      { namespace: 'trotline', name: 'a', form: 'EventHook', origin: { file: 'dir/net.yaml', line: 2 } },
    ]);
  });

  it('keeps what Kubernetes adds to its metadata out of the hook', () => {
    const metadata = 'metadata: { name: a, namespace: team, labels: { x: y }, uid: 7 }\n';
    const { hooks } = read(`${HEAD.replace(/metadata.*\n/, metadata)}spec:\n${ACTIONS}`);
    expect(hooks.map(hookId)).toEqual(['team/a']);
  });

  it('tells ten different mistakes at once, each at its place', () => {
    const text = [
      'apiVersion: trotline.dev/v1',
      'kind: EventHook',
      'metadata: { name: " a" }',
      'status: {}',
      'spec:',
      '  sourc: netlink',
      '  source: netlnk',
      '  eventTypes: [link-adde]',
      '  condition: "interfce =~ \'veth.*\'"',
      '  mode: audot',
      '  giveUpAfter: 5 sec',
      '  limit: { count: 0, per: 1m }',
      '  enabled: yes',
      '  actions:',
      '    - type: webhook',
      '      config: { url: ftp://h, timeout: 1ms }',
      '    - type: script',
      '      config:',
      '        command: []',
      '        tiemout: 5s',
      '    - tpye: script',
      '',
    ].join('\n');
    expect(problems(text)).toEqual(
      expect.arrayContaining([
        '1:13 /apiVersion must be "trotline.dev/v1alpha1"',
        '3:20 /metadata/name " a" is not allowed',
        '4:1 /status is not a known key',
        '6:3 /spec/sourc is not a known key; did you mean "source"?',
        '7:11 /spec/source unknown source "netlnk"; did you mean "netlink"?',
        expect.stringMatching(/^9:15 \/spec\/condition unknown field interfce/),
        '10:9 /spec/mode must be one of "enforce", "audit"; did you mean "audit"?',
        '11:16 /spec/giveUpAfter "5 sec" is no duration',
        '12:19 /spec/limit/count must be >= 1',
        '13:12 /spec/enabled must be true or false',
        '16:22 /spec/actions/0/config/url must match pattern "^https?://"',
        '16:40 /spec/actions/0/config/timeout must be at least 100ms',
        '19:18 /spec/actions/1/config/command must not be empty',
        '20:9 /spec/actions/1/config/tiemout is not a known key; did you mean "timeout"?',
        '21:7 /spec/actions/2/tpye is not a known key; did you mean "type"?',
        '21:7 /spec/actions/2/type is required',
      ]),
    );
    expect(problems(text)).toHaveLength(16);
  });

  it('says each thing once: what is wrong, and beside it what was expected', () => {
    const { refused } = read(`${HEAD}spec:\n  giveUpAfter: 5 sec\n  typo: 1\n  condition: "interface =="\n${ACTIONS}`);
    for (const { message, expected } of refused[0]!.issues) {
      expect(message).not.toContain('; expected');
      expect(expected).not.toMatch(/expected|did you mean/);
    }
  });

  it.each([
    ['"', 'condition: "interface =~ \'a\' AND interfce == 1"', '5:36'],
    ['doubled quotes', "condition: 'interface =~ ''a'' AND interfce == 1'", '5:38'],
    ['a folded block', "condition: >\n    interface =~ 'a'\n    AND interfce == 1", '7:9'],
    ['a literal block', "condition: |-\n    interface =~ 'a'\n    AND interfce == 1", '7:9'],
    ['plain text', "condition: interface =~ 'a' AND interfce == 1", '5:35'],
  ])('points inside a condition in %s', (_, condition, place) => {
    expect(problems(`${HEAD}spec:\n  ${condition}\n${ACTIONS}`)).toEqual([
      expect.stringMatching(new RegExp(`^${place} /spec/condition unknown field interfce`)),
    ]);
  });

  it('has a warning at its place, without the marks that were for the way', () => {
    const { hooks, warnings } = read(`${HEAD}spec:\n  condition: NOT interface\n${ACTIONS}`);
    expect(hooks).toHaveLength(1);
    expect(warnings).toMatchObject([{ path: '/spec/condition', line: 5, column: 18, file: 'net.yaml' }]);
    expect(warnings[0]).not.toHaveProperty('offset');
  });

  it.each([
    [HEAD, ['1:1 /spec is required']],
    [`${HEAD}spec:\n`, ['4:1 /spec must be a map']],
    [`${HEAD}spec: []\n`, ['4:7 /spec must be a map']],
    [`kind: EventHook\nspec:\n${ACTIONS}`, ['1:1 /apiVersion is required', '1:1 /metadata is required']],
    [`${HEAD.replace('{ name: a }', '5')}spec:\n${ACTIONS}`, ['3:11 /metadata must be a map']],
    [`${HEAD.replace('name: a', 'nam: a')}spec:\n${ACTIONS}`, ['3:11 /metadata/name is required']],
    [`${HEAD.replace('name: a', 'name: 5')}spec:\n${ACTIONS}`, ['3:19 /metadata/name must be text']],
    [
      `${HEAD.replace('name: a', `name: ${'x'.repeat(254)}`)}spec:\n${ACTIONS}`,
      [expect.stringMatching(/^3:19 \/metadata\/name "x+… is not allowed/)],
    ],
    [
      `${HEAD.replace('name: a', 'name: a, namespace: a/b')}spec:\n${ACTIONS}`,
      ['3:33 /metadata/namespace "a/b" is not allowed'],
    ],
  ])('is refused in words: %j', (text, texts) => {
    expect(problems(text)).toEqual(texts);
  });

  it('is refused by the name that could be read', () => {
    expect(read(`${HEAD}spec: {}`).refused[0]?.id).toBe('trotline/a');
    expect(read('kind: EventHook').refused[0]?.id).toBeNull();
  });

  it('stands beside others: each is accepted or refused on its own', () => {
    const good = `${HEAD.replace('name: a', 'name: b')}spec:\n${ACTIONS}`;
    const { hooks, refused } = read(`${HEAD}spec: {}\n---\n${good}---\n`);
    expect(hooks.map(hookId)).toEqual(['trotline/b']);
    expect(refused.map(({ id }) => id)).toEqual(['trotline/a']);
    expect(hooks[0]?.origin?.line).toBe(6);
  });

  it('may have a name of any script', () => {
    const { hooks } = read(`${HEAD.replace('name: a', 'name: "größe 👩‍🚒"')}spec:\n${ACTIONS}`);
    expect(hooks[0]?.name).toBe('größe 👩‍🚒');
  });
});

describe('a file of hooks', () => {
  it('with nothing in it has no hooks', () => {
    for (const text of ['', '# nothing\n', '---\n', '~\n']) expect(read(text).hooks).toEqual([]);
  });

  it.each([
    ['kind: Deployment', [{ line: 1, column: 1, message: 'is none of the known forms' }]],
    ['- a', [{ message: 'is none of the known forms' }]],
    ['5', [{ message: 'is none of the known forms' }]],
    ['nlmon: { integration: 5 }', [{ message: 'is none of the known forms' }]],
    ['nlmon: { integration: { hooks: {} } }', [{ path: '/nlmon/integration/hooks', column: 32 }]],
    [`${HEAD}spec:\n${ACTIONS}---\na: 1\n---\nb: 1\n`, [{ line: 7 }, { line: 9 }]],
    ['a: [', [{ file: 'net.yaml' }]],
  ])('is refused whole with every place: %j', (text, issues) => {
    expect(refusalOf(text)).toMatchObject(issues);
  });
});

describe('hooks of one name', () => {
  it('are refused but for the first, naming it', () => {
    const [first] = read(`${HEAD}spec:\n${ACTIONS}`, 'a.yaml').hooks as [Hook];
    const [again] = read(`\n\n${HEAD}spec:\n${ACTIONS}`, 'b.yaml').hooks as [Hook];
    const { hooks, refused } = refuseDuplicates([first, again, { ...again, namespace: 'other' }]);
    expect(hooks.map(hookId)).toEqual(['trotline/a', 'other/a']);
    expect(refused).toEqual([
      {
        id: 'trotline/a',
        file: 'b.yaml',
        issues: [
          {
            path: '',
            message: 'the name "a" is already used at a.yaml:1',
            expected: 'a name of its own',
            file: 'b.yaml',
            line: 3,
            column: 1,
          },
        ],
      },
    ]);
  });

  it('are refused without places too', () => {
    const [hook] = read(`${HEAD}spec:\n${ACTIONS}`).hooks as [Hook];
    const { refused } = refuseDuplicates([
      { ...hook, origin: null },
      { ...hook, origin: null },
    ]);
    expect(refused).toEqual([
      {
        id: 'trotline/a',
        file: '',
        issues: [{ path: '', message: 'the name "a" is already used', expected: 'a name of its own' }],
      },
    ]);
  });
});
