import { defineConfig } from 'vitest/config'

/**
 * The end-to-end suite has a configuration of its own, so that `vitest run` never touches the cluster that a shell's
 * KUBECONFIG happens to name. docs/e2e.md tells how to run it.
 */
export default defineConfig({
  test: {
    name: 'e2e',
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/global-setup.ts'],
    // One file at a time: a small cluster shall not start the pods of several files at once.
    maxWorkers: 1,
    // Concurrent tests wait for packets that must not arrive. Each pod bounds its commands itself.
    maxConcurrency: 15,
    // It prints why a test was skipped.
    reporters: ['verbose'],
    // A pod that is scheduled to a node without the image waits for a download.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
})
