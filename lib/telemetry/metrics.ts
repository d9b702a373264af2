/**
 * One number that the operator tells about itself.
 *
 * - `counter`: how often something happened, summed up.
 * - `histogram`: how long or how much each time.
 * - `gauge`: the present value.
 */
export interface MetricDefinition {
  kind: 'counter' | 'histogram' | 'gauge'
  unit: 'count' | 'milliseconds' | 'seconds'
  /** Names and values of its dimensions. CloudWatch bills each value as a metric of its own. */
  dimensions: Readonly<Record<string, readonly string[]>>
  /**
   * When CloudWatch gets it, which bills a metric for each hour in which it gets a value. `always`: also from an operator at
   * rest. `when-it-happens`: an operator at rest does not send it. `without-dimensions`: the same, without its dimensions.
   * `never`: AWS or another metric tells the same.
   */
  cloudWatch: 'always' | 'when-it-happens' | 'without-dimensions' | 'never'
  /** The function that writes it. */
  writtenBy: string
  /** For `docs/operations.md` and the Prometheus endpoint. */
  sentence: string
}

const none = {} as const
const outcomes = ['settled', 'requeue', 'retry', 'stalled'] as const
const callers = ['watch-forwarder', 'reconcile', 'sweep'] as const
const findings = ['changed', 'child', 'drift', 'expiry', 'idle', 'orphan', 'pod', 'template'] as const

/** Every metric of the operator. The list in `docs/operations.md` is compared with it by a test. */
export const metrics = {
  Passes: {
    kind: 'counter',
    unit: 'count',
    dimensions: { outcome: outcomes },
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Passes over an instance, by their outcome.',
  },
  PassDuration: {
    kind: 'histogram',
    unit: 'milliseconds',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Time that a pass took.',
  },
  PassApiCalls: {
    kind: 'histogram',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Calls to the API server that a pass made. The sum is the number of calls of all passes.',
  },
  ApiCalls: {
    kind: 'counter',
    unit: 'count',
    dimensions: { function: callers },
    cloudWatch: 'never',
    writtenBy: 'reconcile, sweep, watch-forwarder',
    sentence:
      'Calls to the API server, by the function that made them. CloudWatch has `PassApiCalls` instead.',
  },
  MessageToPassLag: {
    kind: 'histogram',
    unit: 'milliseconds',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Time from the making of a message, or from when a timer was due, to its pass.',
  },
  QueueAge: {
    kind: 'histogram',
    unit: 'milliseconds',
    dimensions: none,
    cloudWatch: 'never',
    writtenBy: 'reconcile',
    sentence:
      'Age of a message of changes.fifo when it is received. SQS itself tells CloudWatch the age of the oldest.',
  },
  CreateToReady: {
    kind: 'histogram',
    unit: 'milliseconds',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Time from the creation of an instance to the status that says Ready for the first time.',
  },
  DeadLetters: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile, timer',
    sentence: 'Messages that became dead letters because they could not be read, or had no attempts left.',
  },
  UnwatchedMessages: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'reconcile',
    sentence: 'Messages for namespaces that are not watched.',
  },
  EventToMessageLag: {
    kind: 'histogram',
    unit: 'milliseconds',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'watch-forwarder',
    sentence:
      'Time from the verdict that an instance needs a pass to the moment at which the queue has the message.',
  },
  ForwarderLeading: {
    kind: 'gauge',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'watch-forwarder',
    sentence: '1 while the forwarder leads and all its lists have ended. A standby sends CloudWatch nothing.',
  },
  LastEventAge: {
    kind: 'gauge',
    unit: 'seconds',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'watch-forwarder',
    sentence: 'Time since the leading forwarder saw an object change.',
  },
  BookmarkAge: {
    kind: 'gauge',
    unit: 'seconds',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'watch-forwarder',
    sentence:
      'Time since the watch that has been silent longest brought a change or a bookmark. Bookmarks come each minute.',
  },
  ForwarderRestarts: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'watch-forwarder',
    sentence: 'Failures after which the forwarder started again.',
  },
  Relists: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'watch-forwarder',
    sentence: 'Lists beyond the first one of each watch.',
  },
  FoundByRelist: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'watch-forwarder',
    sentence: 'Changes and deletions of objects that no event told, and that such a list found.',
  },
  LeaseChanges: {
    kind: 'counter',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'when-it-happens',
    writtenBy: 'watch-forwarder',
    sentence: 'Times that a forwarder took the lead.',
  },
  SweepFindings: {
    kind: 'counter',
    unit: 'count',
    dimensions: { cause: findings },
    cloudWatch: 'without-dimensions',
    writtenBy: 'sweep',
    sentence: 'Messages that sweeps sent, by their cause. CloudWatch gets the sum of all causes.',
  },
  ExpiryLag: {
    kind: 'gauge',
    unit: 'seconds',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'sweep',
    sentence: 'How long ago the instance that is most overdue should have ended; 0 if none is overdue.',
  },
  UnsyncedInstances: {
    kind: 'gauge',
    unit: 'count',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'sweep',
    sentence: 'Instances whose status has `Synced=False`: the database lacks their row.',
  },
  OutboxLag: {
    kind: 'gauge',
    unit: 'seconds',
    dimensions: none,
    cloudWatch: 'always',
    writtenBy: 'publish',
    sentence:
      'Age of the oldest event that is not published and that the event bus has not refused for itself.',
  },
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof metrics

type NamesOf<Kind> = {
  [Name in MetricName]: (typeof metrics)[Name]['kind'] extends Kind ? Name : never
}[MetricName]

/** One value for each dimension of a metric. */
export type DimensionsOf<Name extends MetricName> = {
  [Dimension in keyof (typeof metrics)[Name]['dimensions']]: string
}

type DimensionArguments<Name extends MetricName> = keyof (typeof metrics)[Name]['dimensions'] extends never
  ? []
  : [dimensions: DimensionsOf<Name>]

/** Takes numbers while a function runs. `emf-metrics.ts` writes them to the log, `prometheus-metrics.ts` to an endpoint. */
export interface Metrics {
  count<Name extends NamesOf<'counter'>>(
    name: Name,
    value: number,
    ...dimensions: DimensionArguments<Name>
  ): void
  /** Adds one value to a distribution, in the unit of the metric. */
  observe<Name extends NamesOf<'histogram'>>(
    name: Name,
    value: number,
    ...dimensions: DimensionArguments<Name>
  ): void
  /** Replaces the present value. */
  set<Name extends NamesOf<'gauge'>>(name: Name, value: number, ...dimensions: DimensionArguments<Name>): void
  /** Writes what has been collected. Called at the end of an invocation, and regularly by the forwarder. */
  flush(): void
}

export const noMetrics: Metrics = {
  count() {},
  observe() {},
  set() {},
  flush() {},
}
