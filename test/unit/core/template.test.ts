import { describe, expect, it } from 'vitest';

import { expandTemplate, type Placeholder, PLACEHOLDERS, templateProblem } from '#core';

const VALUES: Readonly<Record<Placeholder, string>> = {
  ResourceName: 'web-1',
  EventTime: '2026-01-02T03:04:05Z',
  Namespace: 'shop',
  EventMessage: 'it {{.Namespace}} died',
  EventType: 'oom-kill',
  Reason: 'OOMKilled',
  Message: 'it died',
  Timestamp: '2026-01-02T03:04:05Z',
};

describe('a prompt template', () => {
  it.each(PLACEHOLDERS)('H15: has {{.%s}}, more than once and with space inside', (name) => {
    expect(expandTemplate(`a {{.${name}}} b {{ .${name} }}`, VALUES)).toBe(`a ${VALUES[name]} b ${VALUES[name]}`);
  });

  it.each(['{{.Unknown}}', '{{.resourceName}}', '{{ResourceName}}', '{{.Event.Type}}', '{{if .Reason}}x{{end}}'])(
    'H15: leaves %s as written',
    (text) => {
      expect(expandTemplate(`${text} {{.Reason}}`, VALUES)).toBe(`${text} OOMKilled`);
    },
  );

  it('H15: keeps braces inside a value as text, for there is one pass', () => {
    expect(expandTemplate('{{.EventMessage}}', VALUES)).toBe('it {{.Namespace}} died');
    const hostile = { ...VALUES, Namespace: '{{.Message', EventMessage: '}} {{print 1}} $& $1' };
    expect(expandTemplate('{{.Namespace}}{{.EventMessage}}', hostile)).toBe('{{.Message}} {{print 1}} $& $1');
  });

  it.each([
    ['{{/* hidden */}}', '{{/* … is not allowed'],
    ['{{define "x"}}', '{{define … is not allowed'],
    ['{{- template "x"}}', '{{template … is not allowed'],
    ['{{ call .F }}', '{{call … is not allowed'],
    ['{{printf "x"}}', '{{printf … is not allowed'],
    ['{{println}}', '{{println … is not allowed'],
    ['{{urlquery .Reason}}', '{{urlquery … is not allowed'],
    ['{{.Reason', '1 {{ and 0 }} do not match'],
    ['x'.repeat(10_001), '10001 characters, at most 10000'],
  ])('H15: with %s is refused, and sent as it is', (text, problem) => {
    expect(templateProblem(text)).toBe(problem);
    expect(expandTemplate(`${text}{{.Reason}}`, VALUES)).toBe(`${text}{{.Reason}}`);
  });

  it('may be 10,000 characters long', () => {
    expect(templateProblem('x'.repeat(10_000))).toBeNull();
  });
});
