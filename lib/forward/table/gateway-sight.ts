import { gatewayKind } from '../../crd/child-kinds.ts'
import type { WatchTarget } from '../../kubernetes/cluster.ts'
import type { Row } from './row.ts'

/** Whether the Gateway of routes exists, as its watch reports it. */
export interface GatewaySight {
  /** The watch reports that the Gateway exists, or that it is gone. */
  see(exists: boolean): void
  /** False also where no Gateway is watched. */
  isMissing(): boolean
}

/** @param changed is called with each row whose route lost its Gateway, or has it again */
export function createGatewaySight(
  targets: readonly WatchTarget[],
  rows: () => Iterable<Row>,
  changed: (row: Row) => void,
): GatewaySight {
  const isWatched = targets.some(({ kind }) => kind === gatewayKind.kind)
  let exists = false
  return {
    see(now) {
      if (now === exists) return
      exists = now
      for (const row of rows()) if (row.instance?.exposure?.byRoute) changed(row)
    },
    isMissing: () => isWatched && !exists,
  }
}
