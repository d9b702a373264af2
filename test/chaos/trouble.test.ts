import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChallengeInstance } from '../../lib/crd/challenge-instance.ts'
import { apiVersion } from '../../lib/crd/group.ts'
import { watch } from '../../lib/kubernetes/watch/watch.ts'
import { silentLog } from '../../lib/telemetry/log.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { platformRowsOf, untilConsistent } from '../support/consistency.ts'
import { type FaultyOperator, startFaultyOperator } from '../support/faulty-operator.ts'
import { instanceOf, templateOf } from '../support/objects.ts'

/** The phase, reason and platform status of each trouble. */
const expected = [
  { trouble: 'image-pull', phase: 'Failed', reason: 'ImagePullFailed', platform: 'error' },
  { trouble: 'invalid-image', phase: 'Failed', reason: 'ImageInvalid', platform: 'error' },
  { trouble: 'config-error', phase: 'Failed', reason: 'ConfigInvalid', platform: 'error' },
  { trouble: 'bad-command', phase: 'Failed', reason: 'ConfigInvalid', platform: 'error' },
  { trouble: 'crash-loop', phase: 'Failed', reason: 'CrashLooping', platform: 'error' },
  { trouble: 'oom', phase: 'Failed', reason: 'OutOfMemory', platform: 'error' },
  { trouble: 'never-ready', phase: 'Provisioning', reason: 'ProbeFailing', platform: 'pending' },
] as const

/** Long enough for several turns of every flapping container. */
const steadyMs = 6_000

interface Look {
  at: number
  phase: string | undefined
  reason: string | undefined
  ready: string | undefined
  message: string | undefined
}

let operator: FaultyOperator
let watching: Promise<void>
/** The statuses of each instance that differ from the one before, by name. */
const looks = new Map<string, Look[]>()

beforeAll(async () => {
  const challenges = expected.map(({ trouble }) => trouble)
  operator = await startFaultyOperator({ challenges: [...challenges, 'slow-start'] })
  const { cluster, client, namespace, signal } = operator
  watching = watch<ChallengeInstance>(
    client,
    { apiVersion, kind: 'ChallengeInstance', namespace },
    { onObject: look, onGone: () => {}, onListed: () => {} },
    { log: silentLog },
    signal,
  )
  await Promise.all(
    [...challenges, 'slow-start'].map(async name => {
      await cluster.create(templateOf(namespace, name, { image: `trouble.example/${name}:1` }), signal)
      await cluster.create(instanceOf(namespace, name, name, 1), signal)
    }),
  )
})
afterAll(async () => {
  await operator?.stop()
  await watching
})

function look({ metadata, status }: ChallengeInstance): void {
  const { name = '' } = metadata
  const seen = looks.get(name) ?? []
  looks.set(name, seen)
  const { phase, reason, message } = status ?? {}
  const ready = status?.conditions?.find(each => each.type === 'Ready')?.status
  const last = seen.at(-1)
  if (last && last.phase === phase && last.reason === reason && last.ready === ready) return
  seen.push({ at: Date.now(), phase, reason, ready, message })
}

const lastOf = (name: string) => looks.get(name)?.at(-1)

describe.concurrent('the trouble of a container', () => {
  test.each(expected)(
    '$trouble shows steadily as $phase with $reason, and clears with its cause',
    async ({ trouble, ...wanted }) => {
      const { cluster, namespace, signal } = operator
      const isShown = async () => {
        const { phase, reason } = lastOf(trouble) ?? {}
        return phase === wanted.phase && reason === wanted.reason
      }
      await waitUntil(`the status of ${trouble}`, 40_000, isShown, signal).catch(thrown => {
        throw new Error(`${thrown.message}: ${JSON.stringify(looks.get(trouble))}`)
      })
      const before = looks.get(trouble)?.length
      const steady = async () => Date.now() - (lastOf(trouble)?.at ?? 0) > steadyMs
      await waitUntil(`a steady status of ${trouble}`, 20_000, steady, signal)
      const history = JSON.stringify(looks.get(trouble))
      expect(looks.get(trouble)?.length, history).toBe(before)
      // The container may be Ready once at its first start, and not again.
      expect(looks.get(trouble)?.filter(each => each.ready === 'True').length, history).toBeLessThanOrEqual(1)
      expect(lastOf(trouble)?.message, history).toMatch(/^[A-Z].*\.$/)
      expect(await platformRowsOf(operator, 1, trouble)).toMatchObject([{ status: wanted.platform }])

      await cluster.apply(templateOf(namespace, trouble, { image: 'registry.example.com/ctf/web:1' }), signal)
      await untilConsistent(operator, trouble, 'Ready')
      expect(await platformRowsOf(operator, 1, trouble)).toMatchObject([{ status: 'running' }])
    },
  )

  test('does not include a slow start', async () => {
    await untilConsistent(operator, 'slow-start', 'Ready')
    const seen = looks.get('slow-start')?.map(({ phase, reason }) => `${phase} ${reason}`)
    expect(seen?.slice(-2)).toEqual(['Provisioning undefined', 'Ready undefined'])
  })
})
