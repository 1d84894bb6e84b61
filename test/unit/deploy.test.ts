/** Examples cannot rot: each YAML under deploy/examples is read by the real schemas, each script is runnable bash. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { imageText, withCel } from '#core';
import { sources } from '#plugins';
import { vocabulary } from '#plugins/schemas';

import { NO_HOOK_FILES, readHookFiles } from '../../control-plane/config/hook-files.ts';
import { readGrants } from '../../control-plane/kubernetes/grants.ts';
import { readBundleArguments } from '../../sidecar/bundles/arguments.ts';
import { NodePolicyFile, parsePolicy } from '../../sidecar/policy.ts';
import { parseSourceConfigs } from '../../sidecar/source-configs.ts';

interface Container {
  readonly args?: readonly string[];
  readonly env: readonly object[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly Container[];
        readonly initContainers?: readonly Container[];
        readonly volumes: readonly { readonly name: string; readonly image?: { readonly reference: string } }[];
      };
    };
  };
}

const examples = fileURLToPath(new URL('../../deploy/examples/', import.meta.url));
const files = globSync(`${examples}**/*.{yaml,yml}`).sort();
const documents = files.filter((file) => !/\/(policy|sources|grants)\.yaml$|\/kagent-hooks\//.test(file));
const pods = files.filter((file) => file.includes('/kagent-hooks/'));
const scripts = globSync(`${examples}**/*.sh`).sort();

const words = await withCel(vocabulary);

describe('deploy/examples', () => {
  it('has hooks of both forms and scripts', () => {
    expect(documents.length).toBeGreaterThanOrEqual(4);
    expect(scripts.length).toBeGreaterThanOrEqual(2);
  });

  it.each(documents)('%s is accepted without a warning', (file) => {
    const read = readHookFiles([{ file, text: readFileSync(file, 'utf8') }], words, NO_HOOK_FILES);
    expect(read.refused).toEqual([]);
    expect(read.warnings).toEqual([]);
    expect(read.hooks.length).toBeGreaterThan(0);
    for (const { spec } of read.hooks) {
      for (const { config } of spec.actions) {
        const [program]: string[] = 'command' in config && Array.isArray(config.command) ? config.command : [];
        if (program !== undefined) expect(scripts).toContain(program);
      }
    }
  });

  it.each(pods)('%s mounts images by their digest where kagent looks for hooks', (file) => {
    const { spec } = (parse(readFileSync(file, 'utf8')) as Deployment).spec.template;
    const [agent] = spec.containers;
    expect(agent?.env).toContainEqual({ name: 'KAGENT_HOOKS_FOLDER', value: '/hooks' });
    expect(agent?.volumeMounts.every(({ mountPath, readOnly }) => mountPath.startsWith('/hooks') && readOnly)).toBe(
      true,
    );
    const volumes = new Set(spec.volumes.map(({ name }) => name));
    for (const { volumeMounts } of [...spec.containers, ...(spec.initContainers ?? [])])
      for (const { name } of volumeMounts) expect(volumes).toContain(name);
    const images = spec.volumes.flatMap(({ image }) => (image ? [image.reference] : []));
    for (const { args = [] } of spec.initContainers ?? []) {
      const asked = readBundleArguments(args.slice(1), '/data');
      if (asked?.verb !== 'pull') throw new Error(`${args.join(' ')} pulls nothing`);
      expect(asked.to).toBe('/hooks/security-hooks');
      images.push(imageText(asked.image));
    }
    expect(images).toEqual([expect.stringMatching(/^ghcr\.io\/acme\/security-hooks@sha256:/)]);
  });

  it.each([...files, ...scripts])('%s says first what it shows', (file) => {
    expect(readFileSync(file, 'utf8')).toMatch(/^(#!.*\n)?# [A-Za-z].*\./);
  });

  it('policy.yaml is a node policy with every key', () => {
    const text = readFileSync(`${examples}policy.yaml`, 'utf8');
    const policy = parsePolicy(text, 'policy.yaml');
    expect(policy.script.directories).not.toEqual([]);
    const { script, webhook, ...rest } = NodePolicyFile.properties;
    for (const key of Object.keys({ ...rest, ...script.properties, ...webhook.properties })) {
      expect(text).toMatch(new RegExp(`^ *${key}:`, 'm'));
    }
  });

  it('sources.yaml has options of every source', () => {
    const configs = parseSourceConfigs(readFileSync(`${examples}sources.yaml`, 'utf8'), 'sources.yaml', sources);
    expect([...configs.keys()]).toEqual(sources.map(({ type }) => type));
  });

  it('grants.yaml allows what khook allowed', async () => {
    const grants = await readGrants(`${examples}grants.yaml`);
    expect(grants.allows('agents', 'shop', 'agents/doctor')).toBe(true);
    expect(grants.allows('actions', 'shop', 'script')).toBe(false);
  });

  it.each(scripts)('%s is strict, executable bash', (file) => {
    expect(statSync(file).mode & 0o111).toBe(0o111);
    expect(readFileSync(file, 'utf8')).toMatch(/^#!\/usr\/bin\/env bash\n[^]*\nset -euo pipefail\n/);
    execFileSync('bash', ['-n', file]);
  });

  it('veth-gone says which interface is gone, whatever its name', () => {
    const script = scripts.find((file) => file.endsWith('veth-gone.sh'))!;
    const env = { PATH: process.env.PATH, NLMON_INTERFACE: '$(id)`x`' };
    expect(execFileSync(script, { env, encoding: 'utf8' })).toBe('$(id)`x` is gone\n');
  });
});
