import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'

/** Real parts answer in milliseconds, and a property is checked in a second, but two noisy cores may make both wait. */
const patience = { testTimeout: 60_000, hookTimeout: 120_000 }
/** No file leaves state behind, so that the files of a worker share its modules. Loading them anew costs a file 1.2 s. */
const files = { isolate: false, ...patience }

export default defineConfig({
  test: {
    // Tests wait for real parts more than they compute: three workers keep two cores busy for three fifths of the time.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          unstubEnvs: true,
          ...files,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          ...files,
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          ...files,
        },
      },
    ],
  },
})
