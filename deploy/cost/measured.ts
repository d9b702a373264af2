/**
 * What the operator uses, with where each number comes from. Nothing was measured on Lambda itself: durations are those of
 * one machine, and are taken several times as long here, since a cheap month must not depend on them.
 */
export const measured = {
  /** A month of 30 days. */
  hours: 720,
  forwarder: {
    /** Windows at a time: docs/decisions/2026-11-30-seats-of-the-forwarder.md, 790 of 780 seconds. */
    windows: 2.03,
    /** How long a window holds its seat: the same. */
    seatMinutes: 13,
    /** serverless.yml. 115 MB are in use. */
    memoryGb: 0.25,
    /** A window that finds no free seat: the same decision. One begins every minute. */
    lookSeconds: 0.1,
    /** Lines of a window: it begins, lists, leads, gives its seat up, ends. */
    linesPerWindow: 15,
  },
  sweep: {
    /** The default of OPERATOR_INTERVAL is 15. */
    perMinute: 4,
    memoryGb: 0.5,
    /** test/bench/rest-by-size.ts, with the share of a processor that 512 MB get: 59 ms over no instance (docs/performance.md). */
    secondsAtRest: 0.1,
    /** The same: 4.2 s over 5,000 instances, and 10.9 s for the fortieth sweep, which compares every child. Taken as: */
    secondsPerInstance: 0.0009,
  },
  publish: { perMinute: 1, memoryGb: 0.25, seconds: 0.1 },
  reconcile: {
    memoryGb: 1_769 / 1_024,
    /** 55 ms until children and status are there, docs/performance.md. Taken as: */
    secondsPerPass: 0.15,
    /** Two until Ready and two until gone, docs/performance.md, and two for a renewal or a wake. */
    passesPerInstance: 6,
  },
  timer: { memoryGb: 0.25, seconds: 0.1, perInstance: 1 },
  /** Provisioning, ready, renewed, expiring, deleted. */
  eventsPerInstance: 5,
  queues: {
    /** A mapping of Lambda keeps about five long polls of 20 s open on a queue at rest. Lambda does not say how many. */
    pollsPerMinute: 15,
    /** Send, receive, delete. Batches need fewer. */
    requestsPerMessage: 3,
  },
  /** Hours in which an event writes the metrics that an operator at rest does not. */
  eventHours: 48,
  /** A window ends every 13 minutes, and every second one had the lead: its successor counts in each hour. */
  metricsOfWindows: ['LeaseChanges'],
  logBytes: {
    /** START, END and REPORT. */
    perInvocation: 450,
    perLine: 400,
    /** A line of the embedded metric format with some metrics. */
    perMetricLine: 550,
  },
  /** The leading forwarder writes its metrics so often. */
  forwarderMetricLinesPerMinute: 2,
  secrets: {
    count: 3,
    /** Each sandbox reads each of them again after 15 minutes; sweep and publish have one sandbox each at rest. */
    readsPerHour: 3 * 2 * 4,
  },
} as const
