import { creditScope } from '../../../lib/clock/credits.ts'
import { clockName } from '../../../lib/clock/state.ts'
import { clusterSection } from '../../../lib/config/connections.ts'
import { operatorSection } from '../../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../../lib/config/section.ts'
import type { WatchedNamespaces } from '../../../lib/crd/namespaces.ts'
import { createRetryingClient } from '../../../lib/kubernetes/client/retrying-client.ts'
import { type ServerTime, withServerTime } from '../../../lib/kubernetes/client/server-time.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { parseTime } from '../../../lib/lifetime.ts'
import { pollUntil } from '../../../lib/poll.ts'
import { openExternalClient } from '../../parts/external-parts.ts'
import { readSelected } from '../actions/read-selected.ts'
import { readClock, writeClock } from './clock-maps.ts'
import { type ClockEdit, editClock } from './edit.ts'
import { clockLines, scopeOf } from './print-clock.ts'

type Print = (line: string) => void

/** The forwarder sees the change at once, and the pass takes a moment. */
const takenUp = { everyMs: 250, limitMs: 10_000 }

/** Each try is lost only if somebody else writes the ConfigMap in the moment between. */
const tries = 5

interface Opened {
  cluster: Cluster
  time: ServerTime
  namespaces: WatchedNamespaces
  /** Where the organiser's clock is. */
  namespace: string
}

/** `challenge-operator clock show`. @returns the exit code, 1 if the ConfigMap cannot be read */
export async function runShowClock(env: Environment, print: Print, signal: AbortSignal): Promise<number> {
  return withClock(env, async ({ cluster, namespace }) => {
    const clock = await readClock(cluster, namespace, signal)
    for (const line of clockLines(clock, nameOf(namespace))) print(line)
    return clock.looked && clock.problem === undefined && clock.state !== 'unreadable' ? 0 : 1
  })
}

/** `challenge-operator clock pause|resume|lockdown|open`. @returns the exit code */
export async function runSwitchClock(
  env: Environment,
  edit: Extract<ClockEdit, { value: boolean }>,
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  return withClock(env, async opened => changeClock(opened, edit, print, signal))
}

export interface CreditOptions {
  id: string | undefined
  minutes: number
  event: number | undefined
  template: string | undefined
  team: number | undefined
  /** Takes minutes away, which may end instances at once. */
  yes: boolean
}

/**
 * `challenge-operator clock credit`. It says for how many instances the credit counts. One that takes minutes away is only
 * shown without `yes`.
 * @returns the exit code
 */
export async function runCredit(
  env: Environment,
  { yes, event, template, team, id, minutes }: CreditOptions,
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  return withClock(env, async opened => {
    const { cluster, namespaces, time } = opened
    const instances = await readSelected(cluster, namespaces, { names: [], event, template, team }, signal)
    const at = time.likely()
    const living = instances.filter(each => (creditScope(each).createdAt ?? at) <= at)
    const ending = living.filter(({ status }) => {
      const end = parseTime(status?.expiresAt)
      return end !== undefined && end + minutes * 60_000 <= at
    })
    const chosen = {
      ...(event && { event }),
      ...(template && { template }),
      ...(team !== undefined && { team }),
    }
    print(
      `${minutes} minutes for ${scopeOf(chosen)}: ${living.length} ${living.length === 1 ? 'instance lives' : 'instances live'} now.`,
    )
    if (ending.length > 0) print(`${ending.length} of them ${ending.length === 1 ? 'ends' : 'end'} at once.`)
    if (minutes < 0 && !yes) {
      print('Nothing has been changed yet. Run the command again with --yes to take the minutes away.')
      return 0
    }
    return changeClock(opened, { kind: 'credit', credit: { id, minutes, at, ...chosen } }, print, signal)
  })
}

async function changeClock(
  { cluster, namespace, time }: Opened,
  edit: ClockEdit,
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  for (let count = 0; count < tries; count++) {
    const clock = await readClock(cluster, namespace, signal)
    const edited = editClock(clock, edit, time.likely())
    if (edited.kind === 'problems') {
      print(`${nameOf(namespace)} is left as it is:`)
      for (const problem of edited.problems) print(`  - ${problem}`)
      return 1
    }
    if (edited.kind === 'same') {
      print(`${nameOf(namespace)} says so already.`)
      return reportTakenUp({ cluster, namespace }, print, signal)
    }
    if ((await writeClock(cluster, { namespace, order: clock.order }, edited.data, signal)) === 'conflict')
      continue
    print(`${nameOf(namespace)} is written${edited.credit ? `; the credit is ${edited.credit.id}` : ''}.`)
    return reportTakenUp({ cluster, namespace }, print, signal)
  }
  print(`Somebody else keeps writing ${nameOf(namespace)}. Try again.`)
  return 1
}

async function reportTakenUp(
  { cluster, namespace }: Pick<Opened, 'cluster' | 'namespace'>,
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  let problem: string | undefined
  const isTakenUp = async () => {
    const clock = await readClock(cluster, namespace, signal)
    problem = clock.problem
    return clock.looked
  }
  const looked = await pollUntil(isTakenUp, takenUp, signal)
  if (!looked) print('The operator has not taken it up yet. See whether it runs: challenge-operator doctor')
  else if (problem !== undefined) print(`The operator does not follow it. ${problem}`)
  else print('The operator acts on it.')
  return looked && problem === undefined ? 0 : 1
}

async function withClock(env: Environment, work: (opened: Opened) => Promise<number>): Promise<number> {
  const { operator } = readConfig(env, { operator: operatorSection, cluster: clusterSection })
  const { namespaces, leaseNamespace: namespace } = operator
  const plain = openExternalClient(env, 'clock')
  try {
    const { client, time } = withServerTime(plain)
    const cluster = openCluster(createRetryingClient(client))
    return await work({ cluster, time, namespaces, namespace })
  } finally {
    await plain.close()
  }
}

function nameOf(namespace: string): string {
  return `ConfigMap ${namespace}/${clockName}`
}
