/**
 * `npm run chart:check`: holds the renderer of the tests against Go's own templates with Sprig, which is what Helm has. Needs Debian's
 * golang-go, golang-github-masterminds-sprig-dev and golang-k8s-sigs-yaml-dev.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { parseAllDocuments } from 'yaml';

import { isObject } from '#core';

import { type Json, renderChart } from '../kit/chart.ts';
import { CHART_VALUES } from '../kit/chart-values.ts';

const CHARTS = resolve(import.meta.dirname, '../../deploy/charts');
const API_VERSIONS = ['policy/v1', 'discovery.k8s.io/v1'];
const PACKAGES = '/usr/share/gocode';
const GO = ['/usr/bin/go', ...versionsOfGo()].find((path) => existsSync(path));

function versionsOfGo(): string[] {
  return readdirSync('/usr/lib').flatMap((name) => (/^go-\d/.test(name) ? [`/usr/lib/${name}/bin/go`] : []));
}

function main(): void {
  if (GO === undefined || !existsSync(join(PACKAGES, 'src/github.com/Masterminds/sprig'))) {
    process.stderr.write(
      'needs Go and Sprig: apt-get install golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev\n',
    );
    process.exit(1);
  }
  const folder = mkdtempSync(join(tmpdir(), 'chart-check-'));
  const program = join(folder, 'render');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: PACKAGES };
  execFileSync(GO, ['build', '-o', program, join(import.meta.dirname, 'render/main.go')], { env });
  let differences = 0;
  for (const chart of ['trotline', 'trotline-crds']) {
    for (const [name, values] of Object.entries(
      chart === 'trotline' ? CHART_VALUES : { defaults: {}, 'no khook': { khook: false } },
    )) {
      const file = join(folder, 'values.json');
      writeFileSync(file, JSON.stringify(values));
      const text = execFileSync(program, [join(CHARTS, chart), 'trotline', 'trotline', file, ...API_VERSIONS], {
        encoding: 'utf8',
      });
      const theirs = documents(text);
      const ours = renderChart(join(CHARTS, chart), { values, apiVersions: API_VERSIONS }).map(comparable);
      const same = isDeepStrictEqual(ours, theirs);
      process.stdout.write(`${same ? '✔' : '✘'} ${chart}, ${name}: ${theirs.length} documents\n`);
      if (same) continue;
      differences++;
      for (const [at, each] of theirs.entries()) {
        if (isDeepStrictEqual(each, ours[at])) continue;
        process.stdout.write(`  Go:  ${JSON.stringify(each)}\n  here: ${JSON.stringify(ours[at])}\n`);
        break;
      }
    }
  }
  rmSync(folder, { recursive: true });
  process.exit(differences === 0 ? 0 : 1);
}

function documents(text: string): Json[] {
  return parseAllDocuments(text).flatMap((document) => {
    const value: unknown = document.toJS();
    return isObject(value) ? [comparable(value)] : [];
  });
}

/** Without what is random: certificates; and digests of texts that mean the same. Files in a ConfigMap as what they say. */
function comparable(document: Json): Json {
  const text = JSON.stringify(document, (key, value: unknown) => {
    if (/^(ca\.crt|tls\.crt|tls\.key|trotline\.dev\/(grants|config))$/.test(key)) return '…';
    return key.endsWith('.yaml') && typeof value === 'string'
      ? parseAllDocuments(value).map((each) => each.toJS() as unknown)
      : value;
  });
  return JSON.parse(text) as Json;
}

main();
