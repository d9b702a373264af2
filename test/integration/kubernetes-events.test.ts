import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openClient } from '../../lib/kubernetes/client/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client/http.ts'
import { type KubernetesEvent, openEventRecorder } from '../../lib/kubernetes/event-recorder.ts'
import { waitUntil } from '../../local/process/wait.ts'
import { create, edit, remove } from '../support/edits.ts'
import { eventsOn, reasonsOf, untilEvent } from '../support/kubernetes-events.ts'
import { instanceOf, templateOf } from '../support/objects.ts'
import { phaseOf, referenceTo, startTestOperator, type TestOperator } from '../support/operator.ts'
import { recordedLog } from '../support/recorded-log.ts'
import { sharedControlPlane } from '../support/shared-parts.ts'

const run = promisify(execFile)

let operator: TestOperator
/** A client whose user has no right in the cluster. */
let powerless: KubernetesClient
let mayWriteEvents = true

beforeAll(async () => {
  operator = await startTestOperator({
    client: (_, inner) => ({
      ...inner,
      request: (method, path, request, signal) => {
        const isEvent = path.startsWith('/apis/events.k8s.io/')
        return (isEvent && !mayWriteEvents ? powerless : inner).request(method, path, request, signal)
      },
    }),
  })
  // Timer has no role.
  const connection = { kind: 'kubeconfig', path: operator.accounts.kubeconfigOf('timer') } as const
  powerless = openClient({ connection, userAgent: 'test' })
  await create(operator, templateOf(operator.namespace, 'web'))
})
afterAll(async () => {
  await operator?.stop()
  await powerless?.close()
})

describe('the Kubernetes Events of an instance', () => {
  it('are one for a plain start, which names the pod', async () => {
    await create(operator, instanceOf(operator.namespace, 'plain', 'web'))
    const { status } = await phaseOf(operator, 'plain', 'Ready')
    const events = await untilEvent(operator, 'Ready', 'plain')
    expect(events).toMatchObject([
      {
        ...{ type: 'Normal', reason: 'Ready', note: `The challenge is running: ${status?.url}` },
        related: { kind: 'Pod', name: status?.podName },
      },
    ])
  })

  it('tell of a trouble and of its end in `kubectl describe`, and of the trouble on the template, too', async () => {
    const { namespace } = operator
    await create(operator, templateOf(namespace, 'late', { image: 'trouble.example/image-pull:1' }))
    await create(operator, instanceOf(namespace, 'late', 'late'))
    await untilEvent(operator, 'ImagePullFailed', 'late')
    await edit(operator, 'ChallengeTemplate', 'late', { spec: { image: 'registry.example.com/ctf/web:1' } })
    await phaseOf(operator, 'late', 'Ready')
    await untilEvent(operator, 'Ready', 'late')
    const { stdout } = await run('kubectl', ['describe', 'cinst', 'late', '--namespace', namespace], {
      env: { ...process.env, KUBECONFIG: sharedControlPlane().kubeconfig },
    })
    expect(stdout).toMatch(
      /Events:\n.*\n.*\n +Warning +ImagePullFailed .* challenge-operator .*\n(.*\n)* +Normal +Ready +.* challenge-operator +The challenge is running: http/,
    )
    expect(reasonsOf(await eventsOn(operator, 'late', 'ChallengeTemplate'))).toContain(
      'Warning ImagePullFailed',
    )
  })

  it('tell of a template that cannot be used, on the template, too', async () => {
    const resources = { cpu: '10m', memory: '9e99' }
    await create(operator, templateOf(operator.namespace, 'unusable', { resources }))
    await create(operator, instanceOf(operator.namespace, 'of-unusable', 'unusable'))
    const [told] = await untilEvent(operator, 'TemplateInvalid', 'of-unusable')
    const [event, ...others] = await untilEvent(operator, 'TemplateInvalid', 'unusable', 'ChallengeTemplate')
    expect(event).toMatchObject({ type: 'Warning', note: told?.note })
    expect(others).toEqual([])
  })

  it('tell what was put back, and who had changed it', async () => {
    await edit(operator, 'Service', 'plain', { spec: { ports: [{ port: 9999 }] } })
    const changed = await untilEvent(operator, 'Repaired', 'plain')
    const [repaired] = changed.filter(({ reason }) => reason === 'Repaired')
    expect(repaired?.note).toBe('Put back Service "plain". It was changed by kubectl-edit.')
  })

  it('tell that its end is near', async () => {
    const expiresAt = new Date(Date.now() + 300_000).toISOString()
    await edit(operator, 'ChallengeInstance', 'plain', { spec: { expiresAt } })
    const events = await untilEvent(operator, 'Expiring', 'plain')
    const note = events.find(({ reason }) => reason === 'Expiring')?.note
    expect(note).toContain((await phaseOf(operator, 'plain', 'Ready')).status?.expiresAt)
  })

  it('tell that it is hibernated, woken and expired', async () => {
    await create(operator, instanceOf(operator.namespace, 'short', 'web'))
    await phaseOf(operator, 'short', 'Ready')
    await edit(operator, 'ChallengeInstance', 'short', { spec: { suspend: true } })
    await phaseOf(operator, 'short', 'Idle', 'Suspended')
    await edit(operator, 'ChallengeInstance', 'short', { spec: { suspend: false } })
    await phaseOf(operator, 'short', 'Ready')
    const expiresAt = new Date(Date.now() + 1_500).toISOString()
    await edit(operator, 'ChallengeInstance', 'short', { spec: { expiresAt } })
    const events = await untilEvent(operator, 'Expired', 'short')
    expect(reasonsOf(events)).toEqual(
      expect.arrayContaining(['Normal Hibernated', 'Normal Woken', 'Normal Ready', 'Normal Expired']),
    )
    expect(events.find(({ reason }) => reason === 'Expired')?.note).toContain(
      'The time of this instance was over at',
    )
  })

  it('are not needed for anything: without the right to write them an instance starts and goes', async () => {
    mayWriteEvents = false
    await create(operator, instanceOf(operator.namespace, 'silent', 'web'))
    await phaseOf(operator, 'silent', 'Ready')
    await remove(operator, 'ChallengeInstance', 'silent')
    const isGone = async () =>
      (await operator.cluster.get(referenceTo(operator, 'ChallengeInstance', 'silent'), operator.signal)) ===
      undefined
    await waitUntil('the end of the instance', 20_000, isGone, operator.signal)
    mayWriteEvents = true
    expect(await eventsOn(operator, 'silent')).toEqual([])
  })
})

describe('openEventRecorder', () => {
  const minute = Date.parse('2026-11-29T10:00:00Z')
  const event = (changes: Partial<KubernetesEvent> = {}): KubernetesEvent => ({
    regarding: {
      ...referenceTo(operator, 'ChallengeInstance', 'burst'),
      uid: 'b0000000-0000-4000-8000-000000000001',
    },
    ...{ type: 'Warning', reason: 'CrashLooping', action: 'Run', note: 'It exits with 1.', rank: 5 },
    ...changes,
  })

  it('makes one event of a burst of repeats in a minute, from several functions and processes', async () => {
    const { log, lines } = recordedLog()
    const recorders = [1, 2, 3].map(() =>
      openEventRecorder(operator.clientFor('reconcile'), 'reconcile', log),
    )
    const seconds = [0, 1, 30, 59]
    await Promise.all(
      recorders.flatMap(recorder =>
        seconds.map(second => recorder.record(event(), minute + second * 1_000, operator.signal)),
      ),
    )
    expect(await eventsOn(operator, 'burst')).toHaveLength(1)
    await recorders[0]?.record(event(), minute + 60_000, operator.signal)
    await recorders[0]?.record(event({ reason: 'Ready', type: 'Normal' }), minute, operator.signal)
    expect(await eventsOn(operator, 'burst')).toHaveLength(3)
    expect(lines).toEqual([])
  })

  it('writes a note that is too long as far as it may be', async () => {
    const recorder = openEventRecorder(operator.clientFor('reconcile'), 'reconcile', recordedLog().log)
    await recorder.record(event({ reason: 'Long', note: 'ä'.repeat(2_000) }), minute, operator.signal)
    const [long] = (await eventsOn(operator, 'burst')).filter(({ reason }) => reason === 'Long')
    expect(long?.note).toMatch(/^ä{400,}…$/)
    expect(Buffer.byteLength(long?.note ?? '')).toBeLessThanOrEqual(1_024)
  })

  it('logs a refusal for debugging, and does not throw', async () => {
    const { log, lines } = recordedLog()
    const recorder = openEventRecorder(powerless, 'reconcile', log)
    await recorder.record(event({ reason: 'Refused' }), minute, operator.signal)
    await recorder.record(event({ reason: 'Aborted' }), minute, AbortSignal.abort())
    expect(lines).toMatchObject([
      { level: 'debug', message: 'event not written', fields: { reason: 'Refused', status: 403 } },
      { level: 'debug', message: 'event not written', fields: { reason: 'Aborted' } },
    ])
  })
})
