/** `npm run build`: `dist/` by the compiler, and the sidecar as one bundle, which is what the node runs (docs/decisions). */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { build, type Plugin } from 'esbuild';

const root = import.meta.dirname;
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));

/** `await import()` of a CommonJS package gives its names in Node, but only `default` in a bundle: so they are listed here. */
const lazyNames: Plugin = {
  name: 'lazy-names',
  setup(bundle) {
    bundle.onResolve({ filter: /^[@a-z]/ }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, namespace: 'lazy' } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: 'lazy' }, async ({ path }) => {
      const loaded: object = await import(path);
      const names = Object.keys(loaded).filter((name) => /^(?!default$)[A-Za-z_$][\w$]*$/.test(name));
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir: root };
    });
  },
};

rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [join(typescript, 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
await build({
  entryPoints: { sidecar: join(root, 'sidecar', 'main.ts') },
  outdir: join(root, 'dist', 'bundle'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  conditions: ['source'],
  plugins: [lazyNames],
  minifySyntax: true,
  sourcemap: true,
  legalComments: 'linked',
  // CommonJS packages inside call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
