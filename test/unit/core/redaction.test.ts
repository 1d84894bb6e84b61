import { describe, expect, it } from 'vitest';

import { createRedact } from '#core';

const redact = createRedact({ patterns: [], emails: true });

describe('secrets in what leaves a node', () => {
  it.each([
    ['aws configure set aws_access_key_id AKIAABCDEFGHIJKLMNOP', 'AKIAABCDEFGHIJKLMNOP'],
    [`git clone https://dev:hunter2secret@example.com/x.git`, 'hunter2secret'],
    [`curl -H "Authorization: Bearer abcdef123456"`, 'abcdef123456'],
    [`export GITHUB_TOKEN=ghp_${'a'.repeat(36)}`, 'ghp_'],
    ['{"password":"correct horse"}', 'correct'],
    ['PGPASSWORD=swordfish psql', 'swordfish'],
    ['mysql --password=swordfish', 'swordfish'],
    [`token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc`, 'eyJ'],
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nabcdef\n-----END OPENSSH PRIVATE KEY-----', 'abcdef'],
    ['write to jane.doe@example.com', 'jane.doe'],
    [`xoxb-1234567890-abcdefghij`, 'xoxb-1234567890'],
  ])('%s', (text, secret) => {
    const left = redact(text);
    expect(left).not.toContain(secret);
    expect(left).toContain('[redacted]');
    expect(redact(left)).toBe(left);
  });

  it.each([
    'npm test',
    'git commit -m "rotate the token"',
    'echo $API_TOKEN',
    'password: $PASSWORD',
    'cat src/tokens.ts',
    'keyboard',
  ])('leaves %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('takes out what patterns of one’s own match, in linear time', () => {
    const own = createRedact({ patterns: ['CUST-\\d{6}', '(a+)+$'], emails: false });
    expect(own('order of CUST-123456 to jane@example.com')).toBe('order of [redacted] to jane@example.com');
    const startedAt = performance.now();
    own(`${'a'.repeat(50_000)}!`);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(() => createRedact({ patterns: ['('], emails: true })).toThrow();
  });
});
