import type { Row } from './row.ts'

/** Whether the Gateway of routes exists, as its watch reports it. */
export interface GatewaySight {
  /** The watch reports that the Gateway exists, or that it is gone. */
  see(exists: boolean): void
  /** The Gateway is watched and was listed, or is not watched any more. */
  follow(watched: boolean): void
  /** False also where no Gateway is watched. */
  isMissing(): boolean
}

/** @param changed is called with each row whose route lost its Gateway, or has it again */
export function createGatewaySight(rows: () => Iterable<Row>, changed: (row: Row) => void): GatewaySight {
  let isWatched = false
  let exists = false
  const routesChanged = () => {
    for (const row of rows()) if (row.instance?.exposure?.byRoute) changed(row)
  }
  return {
    see(now) {
      if (now === exists) return
      exists = now
      if (isWatched) routesChanged()
    },
    follow(watched) {
      if (watched === isWatched) return
      isWatched = watched
      if (!watched) exists = false
      routesChanged()
    },
    isMissing: () => isWatched && !exists,
  }
}
