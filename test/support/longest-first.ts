import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that took longest in a whole run on two cores. In each project the longest comes first. */
export const longest = [
  'test/integration/deploy/aws.test.ts',
  'test/integration/deploy/zips.test.ts',
  'test/chaos/node-lost.test.ts',
  'test/chaos/api-server.test.ts',
  'test/chaos/killed-pass.test.ts',
  'test/chaos/forwarders.test.ts',
  'test/chaos/slow-events.test.ts',
  'test/chaos/left-behind.test.ts',
  'test/chaos/database.test.ts',
  'test/integration/disaster/etcd.test.ts',
  'test/integration/disaster/queue.test.ts',
  'test/chaos/replaced-pods.test.ts',
  'test/chaos/forwarded-ends.test.ts',
  'test/chaos/predecessor.test.ts',
  'test/chaos/redelivery.test.ts',
  'test/chaos/placed-orphans.test.ts',
  'test/integration/cli/up.test.ts',
  'test/integration/quiet-operator.test.ts',
  'test/integration/placement.test.ts',
  'test/integration/gateway-routes.test.ts',
  'test/integration/organisers-clock.test.ts',
  'test/integration/cli/external-parts.test.ts',
  'test/integration/local/control-plane.test.ts',
  'test/integration/sweep.test.ts',
  'test/integration/rights.test.ts',
  'test/integration/store/pgbouncer.test.ts',
  'test/integration/shared-database.test.ts',
  'test/integration/children.test.ts',
  'test/integration/cluster-refusals.test.ts',
  'test/integration/cli/run.test.ts',
  'test/integration/manifests/install.test.ts',
  'test/integration/default-deny.test.ts',
  'test/integration/kubernetes/watch.test.ts',
  'test/integration/changed-configuration.test.ts',
  'test/integration/workload.test.ts',
  'test/integration/held-rollout.test.ts',
  'test/unit/package.test.ts',
]

/**
 * Runs one project after the other, because a worker shares modules within a project only, and starts the longest files of
 * each first, so that no worker is left alone with one at the end. A fresh clone has no durations.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = longest.indexOf(relative(this.ctx.config.root, moduleId))
      return found === -1 ? longest.length : found
    }
    const byProjectAndLength = (a: TestSpecification, b: TestSpecification) =>
      a.project.name.localeCompare(b.project.name) || rank(a) - rank(b)
    return (await super.sort(files)).toSorted(byProjectAndLength)
  }
}
