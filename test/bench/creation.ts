import { type Arrivals, watchArrivals } from './arrivals.ts'
import { type BenchCluster, openBenchCluster } from './bench-cluster.ts'
import type { Child } from './child.ts'
import { runCreationBurst } from './creation-burst.ts'
import { type Create, creator } from './creator.ts'
import type { Result } from './figures.ts'
import { createFloor, type Floor } from './floor.ts'
import { startOperator } from './operator.ts'
import { runQuiet, warmUps } from './quiet.ts'
import { floor, operated } from './sample.ts'
import type { Progress, Scale } from './scale.ts'

/** Two who do the same, each in a namespace of its own: the operator, and bare calls. */
export interface Contest {
  world: BenchCluster
  operator: Child
  /** Creates an instance for the operator. */
  create: Create
  floor: Floor
  seen: { operator: Arrivals; floor: Arrivals }
}

/** API server and etcd only: each create to its children and status, as a watch shows them. */
export async function creation(scale: Scale, progress: Progress, signal: AbortSignal): Promise<Result[]> {
  progress('starting API server, etcd, Postgres and SQS')
  const world = await openBenchCluster(false, signal)
  try {
    const [own, bare] = await Promise.all([
      watchArrivals(world.client, operated, world.signal),
      watchArrivals(world.client, floor, world.signal),
    ])
    const teams = warmUps + scale.quiet + scale.burst
    const contest: Contest = {
      world,
      operator: await startOperator(world, teams, scale.profile, signal),
      create: creator(world.bare),
      floor: createFloor(world.bare),
      seen: { operator: own, floor: bare },
    }
    progress(`quiet: ${scale.quiet} creates, one by one, by the operator and by bare calls in turn`)
    const quiet = await runQuiet(contest, scale.quiet, signal)
    progress(`burst: ${scale.burst} creates by the operator, between two halves by bare calls`)
    return [quiet, await runCreationBurst(contest, scale.burst, progress, signal)]
  } finally {
    await world.stack.disposeAsync()
  }
}
