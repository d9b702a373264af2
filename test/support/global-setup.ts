import type { TestProject } from 'vitest/node'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import { installManifests } from '../../lib/kubernetes/install/install.ts'
import { startTestControlPlane } from './control-plane.ts'
import { installRoles } from './operator-accounts.ts'
import { startTestPostgres } from './postgres.ts'
import { startTestQueues } from './queues.ts'

/** The parts that all test files of a run share. A test that breaks a part starts one of its own. */
export interface SharedParts {
  controlPlane: { kubeconfig: string; server: string; token: string; caData: string }
  postgresUrl: string
  queuesEndpoint: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    sharedParts: SharedParts
  }
}

interface Running {
  parts: SharedParts
  stop(): Promise<void>
}

/** Two projects load this file twice in one process. They share the parts through this object. */
const shared = globalThis as { challengeOperatorTestParts?: { users: number; running: Promise<Running> } }

export default async function setup(project: TestProject) {
  shared.challengeOperatorTestParts ??= { users: 0, running: start() }
  const holder = shared.challengeOperatorTestParts
  holder.users += 1
  project.provide('sharedParts', (await holder.running).parts)
  return async () => {
    holder.users -= 1
    if (holder.users > 0) return
    delete shared.challengeOperatorTestParts
    await (await holder.running).stop()
  }
}

async function start(): Promise<Running> {
  const opening = [startTestControlPlane(), startTestPostgres(), startTestQueues()] as const
  const stop = async () => {
    const opened = await Promise.allSettled(opening)
    await Promise.all(opened.map(each => (each.status === 'fulfilled' ? each.value.stop() : undefined)))
  }
  try {
    const [plane, postgres, queues] = await Promise.all(opening)
    const { kubeconfig, server, token, caData } = plane
    await installEverywhere(kubeconfig)
    const parts = {
      controlPlane: { kubeconfig, server, token, caData },
      postgresUrl: postgres.url,
      queuesEndpoint: queues.endpoint,
    }
    return { parts, stop }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}

/** Installs CRDs, admission policies and the roles of the functions, as an administrator does. */
export async function installEverywhere(kubeconfig: string): Promise<void> {
  const client = openClient({
    connection: { kind: 'kubeconfig', path: kubeconfig },
    userAgent: 'challenge-operator/test (install)',
  })
  const options = { allowedRegistries: [] } as const
  const signal = AbortSignal.timeout(60_000)
  try {
    await installManifests(client, options, signal)
    await installRoles(client, signal)
  } finally {
    await client.close()
  }
}
