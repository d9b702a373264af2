import { openQueues } from '../../../lib/aws/sqs.ts'
import type { SqsClientOptions } from '../../../lib/aws/sqs-client.ts'
import { clusterSection, queueSection } from '../../../lib/config/connections.ts'
import { type Environment, readConfig } from '../../../lib/config/section.ts'
import { createRetryingClient } from '../../../lib/kubernetes/client/retrying-client.ts'
import type { Cluster } from '../../../lib/kubernetes/cluster.ts'
import { openCluster } from '../../../lib/kubernetes/open-cluster.ts'
import { externalSqsOptions, openExternalClient } from '../../parts/external-parts.ts'
import { carryOut } from '../actions/carry-out.ts'
import { type Selection, selectsEverything } from '../actions/selection.ts'
import { tableOf } from '../get/table.ts'
import { causeOf, type Letter, subjectOf } from './letter.ts'
import { type HeldLetters, holdLetters } from './read-letters.ts'
import { forceSync, outgoing, type Retry, retryOf, retrySentence } from './retry.ts'
import { isLetterSelected, type Subject, stateOf, subjectsOf } from './subjects.ts'

type Print = (line: string) => void

export interface DeadLettersOptions {
  selection: Selection
  /** URL of another queue of dead letters, such as that of the timers. */
  queue: string | undefined
}

interface Opened {
  cluster: Cluster
  held: HeldLetters
  changesUrl: string
  clientOptions: SqsClientOptions
}

/** `challenge-operator dead-letters list`: prints the letters and what they are about. All of them stay. */
export async function runListDeadLetters(
  env: Environment,
  { json, ...options }: DeadLettersOptions & { json: boolean },
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  return withLetters(env, options, signal, async ({ cluster, held }) => {
    const subjects = (await subjectsOf(held.letters, cluster, signal)).filter(each =>
      isLetterSelected(each, options.selection),
    )
    if (json) print(JSON.stringify({ letters: subjects.map(jsonOf) }, undefined, 2))
    else if (subjects.length === 0) print(nothing(options.selection))
    else {
      const rows = subjects.map(rowOf)
      const table = tableOf(rows, ['ABOUT', 'CAUSE', 'SINCE', 'NOW', 'ID', 'WHY'])
      for (const line of [table.head, ...rows.map(table.line)]) print(line)
    }
    return 0
  })
}

export interface RetryOptions extends DeadLettersOptions {
  /** Retries more than one letter. */
  yes: boolean
  /** Retries none. */
  dryRun: boolean
}

/**
 * `challenge-operator dead-letters retry`: wakes what the letters are about, then removes them. A letter is removed only
 * after that, so that an interruption loses nothing.
 * @returns the exit code, 1 if a letter stays
 */
export async function runRetryDeadLetters(
  env: Environment,
  options: RetryOptions,
  print: Print,
  signal: AbortSignal,
): Promise<number> {
  return withLetters(env, options, signal, async opened => {
    const now = new Date().toISOString()
    const subjects = (await subjectsOf(opened.held.letters, opened.cluster, signal)).filter(each =>
      isLetterSelected(each, options.selection),
    )
    const plans = subjects.map(subject => ({ subject, retry: retryOf(subject, now) }))
    if (plans.length === 0) {
      print(nothing(options.selection))
      return selectsEverything(options.selection) ? 0 : 1
    }
    if (options.dryRun || (plans.length > 1 && !options.yes)) {
      for (const { subject, retry } of plans)
        print(`${nameOf(subject.letter)}  ${retrySentence(subject, retry)}`)
      print(
        `Nothing has been done about these ${plans.length} letters yet. Run the command again with --yes.`,
      )
      return 0
    }
    return carryOutRetries(opened, plans, { now, print }, signal)
  })
}

interface Plan {
  subject: Subject
  retry: Retry
}

async function carryOutRetries(
  opened: Opened,
  plans: readonly Plan[],
  { now, print }: { now: string; print: Print },
  signal: AbortSignal,
): Promise<number> {
  const failures = new Map<Letter, string>()
  for (const { subject, retry } of plans)
    if (retry.kind === 'keep') failures.set(subject.letter, retry.because)
  await wakeInstances(opened.cluster, plans, now, failures, signal)
  await sendMessages(opened, plans, now, failures, signal)
  const handled = plans.map(({ subject }) => subject.letter).filter(letter => !failures.has(letter))
  await opened.held.remove(handled, signal)
  for (const [letter, why] of failures) print(`${nameOf(letter)}  is not retried: ${why}`)
  const left =
    failures.size === 0 ? '' : ` ${failures.size} ${failures.size === 1 ? 'stays' : 'stay'} in the queue.`
  print(
    `${handled.length} of ${plans.length} letters ${handled.length === 1 ? 'is' : 'are'} retried and removed.${left}`,
  )
  return failures.size === 0 ? 0 : 1
}

async function wakeInstances(
  cluster: Cluster,
  plans: readonly Plan[],
  now: string,
  failures: Map<Letter, string>,
  signal: AbortSignal,
): Promise<void> {
  const instances = new Map(
    plans.flatMap(({ retry }) =>
      retry.kind === 'wake' ? [[retry.instance.metadata.uid, retry.instance] as const] : [],
    ),
  )
  const results = await carryOut(cluster, forceSync(now), [...instances.values()], { onResult() {} }, signal)
  const failed = new Map(
    results
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ instance, detail = '' }) => [instance.metadata.uid, detail]),
  )
  for (const { subject, retry } of plans) {
    const why = retry.kind === 'wake' ? failed.get(retry.instance.metadata.uid) : undefined
    if (why !== undefined) failures.set(subject.letter, why)
  }
}

async function sendMessages(
  { changesUrl, clientOptions }: Opened,
  plans: readonly Plan[],
  now: string,
  failures: Map<Letter, string>,
  signal: AbortSignal,
): Promise<void> {
  const sending = plans.flatMap(({ subject: { letter }, retry }) =>
    retry.kind === 'send' ? [{ letter, out: outgoing(retry.change, letter, now) }] : [],
  )
  if (sending.length === 0) return
  // Only the sending side of changes.fifo is used, so the other queues need no URL.
  const queues = openQueues({ changesUrl, deadLettersUrl: '', timersUrl: '', clientOptions })
  try {
    const rejected = new Set(
      await queues.changes.send(
        sending.map(({ out }) => out),
        signal,
      ),
    )
    for (const { letter, out } of sending)
      if (rejected.has(out)) failures.set(letter, 'the queue of changes did not take the message; try again')
  } finally {
    queues.close()
  }
}

async function withLetters(
  env: Environment,
  { queue }: DeadLettersOptions,
  signal: AbortSignal,
  work: (opened: Opened) => Promise<number>,
): Promise<number> {
  const { queues } = readConfig(env, { cluster: clusterSection, queues: queueSection })
  const clientOptions = externalSqsOptions({ sqsEndpoint: env.AWS_ENDPOINT_URL_SQS || undefined })
  const client = openExternalClient(env, 'dead-letters')
  try {
    const cluster = openCluster(createRetryingClient(client))
    const held = await holdLetters({ queueUrl: queue ?? queues.deadLettersUrl, clientOptions }, signal)
    try {
      return await work({ cluster, held, changesUrl: queues.changesUrl, clientOptions })
    } finally {
      await held.release()
    }
  } finally {
    await client.close()
  }
}

function nothing(selection: Selection): string {
  return selectsEverything(selection) ? 'There are no dead letters.' : 'No dead letter fits the selection.'
}

function nameOf(letter: Letter): string {
  return letter.about.kind === 'unreadable' ? `letter ${letter.id}` : subjectOf(letter)
}

function rowOf(subject: Subject): string[] {
  const { letter } = subject
  return [subjectOf(letter), causeOf(letter), letter.since, stateOf(subject), letter.id, letter.why]
}

function jsonOf({ letter, instance, replaced }: Subject): object {
  const { id, since, why, about } = letter
  const { phase, reason, message } = instance?.status ?? {}
  return {
    id,
    since,
    why,
    cause: about.kind === 'unreadable' ? null : causeOf(letter),
    about:
      about.kind === 'instance'
        ? { kind: 'ChallengeInstance', ...about.key }
        : about.kind === 'shared'
          ? { kind: about.change.kind, namespace: about.change.namespace, name: about.change.name }
          : null,
    now:
      about.kind !== 'instance'
        ? null
        : instance
          ? { phase, reason, message }
          : replaced
            ? 'replaced'
            : 'gone',
  }
}
