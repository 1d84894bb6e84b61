import { defineConfig } from 'vitest/config';

const conditions = ['source', 'node'];

/** One project a tier (style: pyramid by time). Unit needs no compiler, no service; the others need the built addon. */
const project = (name: string, include: string[], testTimeout: number) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    include,
    testTimeout,
    hookTimeout: testTimeout,
    execArgv: ['--conditions=source'],
    pool: 'forks' as const,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], 20_000),
      project('native', ['test/native/**/*.test.ts'], 60_000),
      project('integration', ['test/integration/**/*.test.ts'], 60_000),
      project('faults', ['test/faults/**/*.test.ts'], 300_000),
      project('e2e', ['test/e2e/**/*.test.ts'], 120_000),
    ],
    coverage: { provider: 'v8', include: ['core/**'] },
  },
});
