import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // As many as CI has cores. More would wait for one another, which tests that measure time would notice.
    maxWorkers: 2,
    // What is tested is loaded as users load it: as it was built, by Node itself.
    server: { deps: { external: [/\/dist\//] } },
  },
});
