import { clusterSection } from '../../../lib/config/connections.ts'
import { operatorSection } from '../../../lib/config/operator.ts'
import { type Environment, readConfig } from '../../../lib/config/section.ts'
import type { ChallengeTemplate } from '../../../lib/crd/challenge-template.ts'
import { apiVersion } from '../../../lib/crd/group.ts'
import { scopesOf } from '../../../lib/crd/namespaces.ts'
import { createRetryingClient } from '../../../lib/kubernetes/client/retrying-client.ts'
import { withServerTime } from '../../../lib/kubernetes/client/server-time.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { openExternalClient } from '../../parts/external-parts.ts'
import type { Action } from './action.ts'
import { observeEnds } from './observe-end.ts'
import { type Renewal, renew } from './renew.ts'
import { type ActionRun, runAction } from './run-action.ts'
import { type Selection, selectsEverything } from './selection.ts'
import { restart, sleep, stop, wake } from './simple-actions.ts'

export interface ActionOptions {
  selection: Selection
  /** Takes every instance where the selection narrows nothing. */
  all: boolean
  yes: boolean
  dryRun: boolean
}

const simple = { stop: () => stop, sleep: () => sleep, wake, restart } satisfies Record<
  string,
  (now: number) => Action
>

export type SimpleCommand = keyof typeof simple

/** `challenge-operator stop|sleep|wake|restart`. @returns the exit code */
export async function runSimpleAction(
  command: SimpleCommand,
  env: Environment,
  options: ActionOptions,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  return withRun(env, { command, ...options, print }, async ({ run }) =>
    runAction(run, simple[command], async () => [], signal),
  )
}

/** `challenge-operator renew`. @returns the exit code */
export async function runRenew(
  env: Environment,
  options: ActionOptions & Pick<Renewal, 'minutes' | 'until'>,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const { minutes, until } = options
  if (minutes !== undefined && until !== undefined) {
    print('Write --minutes or --until, not both.')
    return 1
  }
  return withRun(env, { command: 'renew', ...options, print }, async ({ run, defaultTtlMinutes }) => {
    const byTemplate = minutes === undefined && until === undefined
    const ttls = byTemplate ? await readTtls(run, signal) : new Map<string, number | undefined>()
    const actionAt = (now: number) =>
      renew({
        now,
        minutes,
        until,
        ttlMinutesOf: ({ metadata, spec }) =>
          ttls.get(`${metadata.namespace}/${spec.templateRef}`) ?? defaultTtlMinutes,
      })
    return runAction(
      run,
      actionAt,
      results => observeEnds(run.cluster, run.namespaces, results, signal),
      signal,
    )
  })
}

interface Opened {
  run: ActionRun
  defaultTtlMinutes: number | undefined
}

async function withRun(
  env: Environment,
  { command, all, ...options }: ActionOptions & { command: string; print: (line: string) => void },
  work: (opened: Opened) => Promise<number>,
): Promise<number> {
  const { operator } = readConfig(env, { operator: operatorSection, cluster: clusterSection })
  if (selectsEverything(options.selection) && !all) {
    options.print(
      'Say which instances: by names, or by --event, --team, --template, --phase or --reason; --all takes all of them.',
    )
    return 1
  }
  const client = openExternalClient(env, command)
  try {
    const { client: timed, time } = withServerTime(client)
    const cluster = openCluster(createRetryingClient(timed))
    const { namespaces, defaultTtlMinutes } = operator
    const run = { ...options, cluster, namespaces, now: time.likely }
    return await work({ run, defaultTtlMinutes })
  } finally {
    await client.close()
  }
}

async function readTtls(
  { cluster, namespaces }: ActionRun,
  signal: AbortSignal,
): Promise<Map<string, number | undefined>> {
  const ttls = new Map<string, number | undefined>()
  const kind = { apiVersion, kind: 'ChallengeTemplate' }
  for (const scope of scopesOf(namespaces))
    for await (const page of cluster.list<ChallengeTemplate>(kind, scope, signal))
      for (const { metadata, spec } of page)
        ttls.set(`${metadata.namespace}/${metadata.name}`, spec.ttlMinutes)
  return ttls
}
