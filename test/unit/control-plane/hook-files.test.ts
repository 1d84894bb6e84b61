import { describe, expect, it } from 'vitest';

import { hookId } from '#core';

import { eventHook, readTexts } from './kit.ts';

const ids = (files: { hooks: readonly { namespace: string; name: string }[] }): string[] => files.hooks.map(hookId);

describe('reading a directory of hooks', () => {
  it('orders hooks by file and position', () => {
    const files = readTexts({ 'a.yaml': `${eventHook('two')}---\n${eventHook('one')}`, 'b.yaml': eventHook('three') });
    expect(ids(files)).toEqual(['trotline/two', 'trotline/one', 'trotline/three']);
    expect(files.refused).toEqual([]);
  });

  it('reads a file again only when its text is another', () => {
    const first = readTexts({ 'a.yaml': eventHook('one'), 'b.yaml': eventHook('two') });
    const next = readTexts({ 'a.yaml': eventHook('one'), 'b.yaml': eventHook('two', '  run: sync') }, first);
    expect(next.hooks[0]).toBe(first.hooks[0]);
    expect(next.hooks[1]?.spec.run).toBe('sync');
  });

  it('keeps the last good version of a refused hook, and takes the others of its file', () => {
    const first = readTexts({ 'a.yaml': `${eventHook('one')}---\n${eventHook('two')}` });
    const next = readTexts(
      { 'a.yaml': `${eventHook('one', "  condition: 'interface =='")}---\n${eventHook('two', '  enabled: false')}` },
      first,
    );
    expect(ids(next)).toEqual(['trotline/one', 'trotline/two']);
    expect(next.hooks[0]).toBe(first.hooks[0]);
    expect(next.hooks[1]?.spec.enabled).toBe(false);
    expect([...next.kept]).toEqual(['trotline/one']);
    expect(next.refused).toMatchObject([{ id: 'trotline/one', file: 'a.yaml' }]);
  });

  it('keeps the last good version through any number of bad ones and drops it after the fix', () => {
    const good = readTexts({ 'a.yaml': eventHook('one') });
    const bad = readTexts({ 'a.yaml': eventHook('one', '  typo: 1') }, good);
    const worse = readTexts({ 'a.yaml': eventHook('one', '  condition: 1') }, bad);
    expect(worse.hooks[0]).toBe(good.hooks[0]);
    const fixed = readTexts({ 'a.yaml': eventHook('one', '  run: sync') }, worse);
    expect(fixed.hooks[0]?.spec.run).toBe('sync');
    expect(fixed.kept.size).toBe(0);
  });

  it('refuses a file that is not YAML whole and leaves its hooks as they were', () => {
    const first = readTexts({ 'a.yaml': eventHook('one'), 'b.yaml': eventHook('two') });
    for (const broken of ['a: [', 'just: data', `${eventHook('new')}---\nkind: Unknown`]) {
      const next = readTexts({ 'a.yaml': broken, 'b.yaml': eventHook('two') }, first);
      expect(ids(next)).toEqual(['trotline/one', 'trotline/two']);
      expect(next.refused).toMatchObject([{ id: null, file: 'a.yaml' }]);
      expect([...next.kept]).toEqual(['trotline/one']);
    }
  });

  it('removes the hooks of a removed file and of a removed entry', () => {
    const first = readTexts({ 'a.yaml': `${eventHook('one')}---\n${eventHook('two')}`, 'b.yaml': eventHook('three') });
    expect(ids(readTexts({ 'a.yaml': eventHook('two') }, first))).toEqual(['trotline/two']);
  });

  it('refuses the later of two hooks with one name, by file name and position', () => {
    const files = readTexts({ 'a.yaml': eventHook('one'), 'b.yaml': `${eventHook('one')}---\n${eventHook('two')}` });
    expect(ids(files)).toEqual(['trotline/one', 'trotline/two']);
    expect(files.hooks[0]?.origin?.file).toBe('a.yaml');
    expect(files.refused).toMatchObject([{ id: 'trotline/one', file: 'b.yaml', issues: [{ line: 1 }] }]);
    expect(files.refused[0]?.issues[0]?.message).toContain('already used at a.yaml:1');
  });

  it('does not let a duplicate take the place of a broken hook', () => {
    const first = readTexts({ 'a.yaml': eventHook('one'), 'b.yaml': eventHook('one', '  run: sync') });
    const next = readTexts(
      { 'a.yaml': eventHook('one', '  typo: 1'), 'b.yaml': eventHook('one', '  run: sync') },
      first,
    );
    expect(next.hooks).toEqual(first.hooks);
    expect(next.refused.map(({ file }) => file)).toEqual(['a.yaml', 'b.yaml']);
  });

  it('takes a newer version even where a broken duplicate follows in the same file', () => {
    const first = readTexts({ 'a.yaml': eventHook('one') });
    const text = `${eventHook('one', '  run: sync')}---\n${eventHook('one', '  typo: 1')}`;
    const next = readTexts({ 'a.yaml': text }, first);
    expect(next.hooks.map(({ spec }) => spec.run)).toEqual(['sync']);
    expect(next.kept.size).toBe(0);
  });

  it('keeps a hook that moved to another file and is broken there', () => {
    const first = readTexts({ 'a.yaml': eventHook('one') });
    const next = readTexts({ 'b.yaml': eventHook('one', '  typo: 1') }, first);
    expect(next.hooks).toEqual(first.hooks);
  });

  it('keeps what is missing while an entry of the same file has lost its name', () => {
    const list = (name: string): string => `nlmon: { integration: { hooks: [${name}] } }`;
    const first = readTexts({ 'a.yaml': list('{ name: x, script: /x }, { name: y, script: /y }') });
    const next = readTexts({ 'a.yaml': list('{ script: /x }, { name: y, script: /y }') }, first);
    expect(ids(next).sort()).toEqual(['trotline/x', 'trotline/y']);
    expect([...next.kept]).toEqual(['trotline/x']);
  });
});

describe('what is told of refused hooks', () => {
  const told = (text: string): string => JSON.stringify(readTexts({ 'a.yaml': text }).refused);
  const list = (entries: readonly object[]): string => JSON.stringify({ nlmon: { integration: { hooks: entries } } });
  const broken = (number: number): object => ({
    name: `h${number}`,
    script: '/bin/true',
    bad: 1,
    worse: 'x'.repeat(200),
  });

  it('stays in proportion to the file, whatever is wrong with it', () => {
    const text = list(Array.from({ length: 1000 }, (_, number) => broken(number)));
    const { refused } = readTexts({ 'a.yaml': text });
    expect(refused).toHaveLength(1000);
    expect(JSON.stringify(refused).length).toBeLessThan(2 * text.length);
    expect(refused.flatMap(({ issues }) => issues)).toHaveLength(200 + 900);
    expect(refused.at(-1)?.issues).toEqual([
      { path: '', message: '2 more problems', file: 'a.yaml', line: 1, column: expect.any(Number) },
    ]);
  });

  it('ends with one that counts the rest', () => {
    const keys = Array.from({ length: 300 }, (_, number) => [`typo${number}`, 1]);
    const [one] = readTexts({
      'a.yaml': list([{ name: 'h', script: '/bin/true', ...Object.fromEntries(keys) }]),
    }).refused;
    expect(one?.issues).toHaveLength(201);
    expect(one?.issues.at(-1)?.message).toBe('100 more problems');
  });

  const webhook = (config: string, type = 'type: webhook'): string =>
    eventHook('h')
      .replace('type: script', type)
      .replace(/config: .*/, `config: ${config}`);

  it.each([
    ['that does not fit', webhook('{ url: "http://x/", secret: "whsec_!my-secret" }')],
    ['beside a wrong value', webhook('{ url: nowhere, headers: { x-key: my-secret } }')],
    ['over several lines', webhook('\n        url: "http://x/"\n        secret: "whsec_!\n          my-secret"')],
    ['under a misspelt key', webhook('{ url: "http://x/", secrt: my-secret }')],
    [
      'of a misspelt action',
      webhook('{ url: "http://x/", key: my-secret } }').replace('- type', '- { type').replace('webhook\n', 'webhok, '),
    ],
    [
      'under a misspelt list',
      webhook('{ secret: my-secret } } ]').replace('actions:\n    - ', 'action: [ { ').replace('hook\n', 'hook, '),
    ],
    ['behind an alias', webhook('{ url: "http://x/", secret: *s }').replace('spec:', 'spec:\n  typo: &s my-secret')],
    ['in what is no YAML', webhook('{ url: "http://x/", secret: "my-secret }')],
  ])('never shows a secret %s', (_, text) => {
    expect(told(text)).toContain('"line"');
    expect(told(text)).not.toContain('my-secret');
  });

  it.each([
    [
      'elsewhere in the hook',
      webhook('{ url: "http://x/", secret: my-secret }').replace('source: netlink', 'source: netlnk'),
    ],
    ['of an action without secrets', eventHook('h').replace('/bin/true', 'bin/true')],
    ['of what is no YAML', eventHook('h').replace('[/bin/true]', '[/bin/true')],
  ])('shows the line of a problem %s', (_, text) => {
    expect(told(text)).toContain('"excerpt"');
  });
});
