/** Whatever the text is: an answer, no throw, and soon. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { loadGuardCheck } from '#plugins';

const check = await loadGuardCheck({});
const judge = (command: string) => check({ tool: 'Bash', input: { command }, cwd: '/home/dev/project' });

const TOKENS =
  "rm -rf / sudo sh -c $ ( ) { } [ ] [[ ]] < > << <<< >> | || & && ; \n \t \" ' ` \\ $( ${ $(( )) <( >( x= =~ * ? ~ # ! if then else fi for in do done while until case esac function time coproc select eval exec find xargs -exec {} + python3 awk sed curl EOF é \u0000 \u{1F600} \uE000 ${x:-y} ${!x} ${x//a/b} $'\\x41' {a,b} {1..9} 2>&1 /dev/tcp/a/1 alias trap declare -n".split(
    ' ',
  );

/** Generous: the work is bounded, and a shared machine is slow now and then. */
const SOON_MS = 1500;

describe('hostile text', () => {
  it('never throws', () => {
    const soup = fc.array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...TOKENS) }, fc.string({ maxLength: 6 })), {
      maxLength: 24,
    });
    fc.assert(
      fc.property(soup, fc.constantFrom(' ', ''), (words, between) => {
        const { risk } = judge(words.join(between));
        expect(['SAFE', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL']).toContain(risk);
      }),
      { numRuns: 20_000 },
    );
  });

  const many = (text: string, times: number): string => text.repeat(times);
  it.each([
    ['thousands of commands', many('echo a; ', 12_000)],
    ['loops in loops', `${many('for i in a b c d e f g h; do ', 12)}rm x${many('; done', 12)}`],
    ['braces that multiply', `echo ${many('{a,b}', 40)}`],
    ['deep substitutions', `${many('$(echo ', 2000)}x${many(')', 2000)}`],
    ['deep subshells', `${many('(', 5000)}ls${many(')', 5000)}`],
    [
      'branches that multiply',
      `${Array.from({ length: 30 }, (_, at) => `if x; then v${at}=a; else v${at}=b; fi;`).join(' ')} rm ${Array.from({ length: 30 }, (_, at) => `$v${at}`).join('')}`,
    ],
    ['functions that call themselves', 'f() { f; f; f; }; g() { f; g; }; g'],
    ['aliases of each other', 'alias a=b b=a; a; b'],
    ['variables that grow', `x=aaaaaaaaaa; ${many('x=$x$x$x$x; ', 40)} rm $x`],
    ['a long word', `rm ${many('a', 200_000)}`],
    ['many here-documents', many('cat <<E\nx\nE\n', 4000)],
    ['code that loops', `python3 -c '${many('while 1 ', 3000)}'`],
    ['code of many calls', `python3 -c '${many('os.system("ls");', 5000)}'`],
    ['quotes without end', many('"', 100_001)],
    ['pipes without end', `ls ${many('| cat ', 8000)}`],
    ['statements of SQL', `psql -c "${many('/* ', 20_000)} drop table x"`],
    ['shells in shells', `${many("sh -c '", 60)}ls${many("'", 60)}`],
    ['a path of dots', `rm -rf ${many('../', 40_000)}etc`],
    ['globs', `rm -rf ${many('/*', 20_000)}`],
    ['base64 of itself', `${many('echo ', 1)}${Buffer.from(many('x', 60_000)).toString('base64')} | base64 -d | sh`],
  ])('is judged soon: %s', (_what, command) => {
    const startedAt = performance.now();
    judge(command);
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
  });
});
