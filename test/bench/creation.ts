import type { Placement } from '../../lib/crd/challenge-template.ts'
import { type Arrivals, watchArrivals } from './arrivals.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import type { Child } from './child.ts'
import { runCreationBurst } from './creation-burst.ts'
import { type Creator, creator } from './creator.ts'
import { inPlacement, type Result } from './figures.ts'
import { createFloor, type Floor } from './floor.ts'
import { startOperator } from './operator.ts'
import { runQuiet, warmUps } from './quiet.ts'
import { floor, operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'

/** The operator and bare calls, which make the same objects in a namespace of their own each. */
export interface Contest {
  cluster: BenchCluster
  operator: Child
  /** Creates an instance for the operator. */
  create: Creator
  placement: Placement
  floor: Floor
  seen: { operator: Arrivals; floor: Arrivals }
}

/** Measures a creation until a watch has shown children and status, with API server and etcd only. */
export async function creation(scale: Scale, progress: Progress, signal: AbortSignal): Promise<Result[]> {
  const { placement } = scale.sample
  progress('starting API server, etcd, Postgres and SQS')
  const cluster = await openBenchCluster({ ...scale, full: false }, signal)
  try {
    const [own, bare] = await Promise.all([
      watchArrivals(cluster.client, { namespace: operated, placement }, cluster.signal),
      watchArrivals(cluster.client, { namespace: floor, placement }, cluster.signal),
    ])
    const teams = warmUps + Math.ceil(scale.quiet * 1.25) + scale.burst
    const contest: Contest = {
      cluster,
      operator: await startOperator(cluster, { ...scale, teams }, signal),
      create: creator(cluster.bare),
      placement,
      floor: createFloor(cluster.bare, scale.sample),
      seen: { operator: own, floor: bare },
    }
    progress(`quiet: ${scale.quiet} creates, one by one, by the operator and by bare calls in turn`)
    const quiet = await runQuiet(contest, scale.quiet, signal)
    progress(`burst: ${scale.burst} creates by the operator, between two halves by bare calls`)
    const results = [...quiet, await runCreationBurst(contest, scale.burst, progress, signal)]
    return results.map(result => inPlacement(result, placement))
  } finally {
    await cluster.stack.disposeAsync()
  }
}
